"""The worker of a pool: its own applications, within its own limits."""

import os
from pathlib import Path

import msgspec
import pytest

from penstock.errors import ConfigurationError
from penstock.settings import AppSettings, PoolSettings, Settings, SiteSettings
from penstock.supervisor.messages import Start
from penstock.supervisor.pool_worker import build_pool


def start(settings: Settings, pool: str = "reports") -> Start:
    return Start(
        settings=msgspec.Raw(msgspec.json.encode(settings)),
        sockets=(),
        pool=pool,
        slot=0,
        generation=1,
        key="ab" * 32,
    )


def test_pipeline_w01_it_imports_its_own_applications_alone_and_from_its_own_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [])
    (tmp_path / "only_in_this_pool.py").write_text("async def app(scope, receive, send): pass\n")
    settings = Settings(
        sites=(
            SiteSettings(
                apps=(
                    AppSettings(at="/in", asgi="there_is_none:app"),
                    AppSettings(at="/out", asgi="only_in_this_pool:app", pool="reports"),
                )
            ),
        ),
        pools=(PoolSettings(name="reports", app_dirs=(str(tmp_path),), nice=0),),
    )
    server = build_pool(start(settings), settings)
    assert [target.name for site in server.sites for target in site.mounts] == ["ASGI only_in_this_pool:app"]
    assert [hooks.module for site in server.sites for hooks in site.modules] == ["pool_entry"]
    assert server.settings.pools == settings.pools


def test_a_limit_that_cannot_be_set_is_told_before_anything_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.supervisor.process_limits._IS_POSIX", os.name == "nt")
    pools = (PoolSettings(name="reports", memory=1 << 30),)
    settings = Settings(
        sites=(SiteSettings(apps=(AppSettings(at="/", asgi="there_is_none:app", pool="reports"),)),), pools=pools
    )
    with pytest.raises(ConfigurationError, match="memory: this system has no such limit"):
        build_pool(start(settings), settings)
