import re
from pathlib import Path

import pytest

from penstock.settings import ControlSettings, PoolSettings, RecycleSettings, WebSocketSettings
from penstock.tools.hints import GUNICORN, UVICORN, find_hint
from penstock.tools.serve import command

OURS = {name for each in command.params for name in (*each.opts, *each.secondary_opts) if name.startswith("-")}


@pytest.mark.parametrize("option", ["--loop", "-k", "--worker-class", "--keep-alive", "--preload", "--timeout"])
def test_known_options_of_others_have_a_hint(option: str) -> None:
    assert find_hint(option)


def test_hints_for_websockets_name_keys_that_exist() -> None:
    hints = [find_hint(name) or "" for name in (*UVICORN, *GUNICORN) if name.startswith(("--ws-", "--websocket-"))]
    named = {name for hint in hints for name in re.findall(r"websockets = \{ (\w+) = ", hint)}
    assert named == {"max_message", "keep_alive", "keep_alive_timeout", "compression"}
    assert named <= set(WebSocketSettings.__struct_fields__)


def test_hints_for_workers_name_keys_that_exist() -> None:
    assert "stuck under [server.recycle]" in (find_hint("--timeout") or "")
    assert "stuck" in RecycleSettings.__struct_fields__
    assert "mode under [server.control]" in (find_hint("--control-socket-mode") or "")
    assert "mode" in ControlSettings.__struct_fields__
    assert {"user", "group"} <= set(PoolSettings.__struct_fields__)


def test_no_hint_for_what_nobody_has() -> None:
    assert find_hint("--banana") is None


def test_no_hint_for_what_we_have() -> None:
    assert not OURS & {*UVICORN, *GUNICORN}


def test_hints_name_only_options_that_exist() -> None:
    named = {name for hint in (*UVICORN.values(), *GUNICORN.values()) for name in re.findall(r"--[a-z][a-z-]+", hint)}
    assert named - OURS <= {"--worker-class"}


def test_the_guide_lists_every_option() -> None:
    guide = Path(__file__).parents[2].joinpath("docs", "coming-from-uvicorn-and-gunicorn.md").read_text("utf-8")
    listed = set(re.findall(r"`(-[-\w]+)`", guide))
    assert {*UVICORN, *GUNICORN, *OURS} - {"--help"} - listed == set()
