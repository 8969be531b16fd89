from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.settings import AppSettings, SiteSettings
from penstock.tools.target import Kind, Single, kind_of, settings_of

SITE = '[[site]]\n[[site.app]]\nat = "/"\napp = "shop:app"\n'


def test_kinds(tmp_path: Path) -> None:
    assert kind_of("shop.api:app") is Kind.APPLICATION
    assert kind_of("shop:make.app") is Kind.APPLICATION
    assert kind_of("conf/penstock.toml") is Kind.SITE_FILE
    assert kind_of(str(tmp_path)) is Kind.FOLDER


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("shop", 'write "shop:app"'),
        ("shop.api", 'write "shop.api:app"'),
        ("shop/main.py", 'write "main:app"'),
        ("nowhere/public", "there is no folder"),
        ("shop:make()", 'write "shop:make --factory"'),
        ("shop:", "none of these"),
        ("", "none of these"),
    ],
)
def test_what_is_nothing_gets_advice(target: str, advice: str) -> None:
    with pytest.raises(ConfigurationError, match=advice):
        kind_of(target)


def test_a_single_application() -> None:
    settings = settings_of("shop:app", environ={})
    assert settings.sites == (SiteSettings(apps=(AppSettings(at="/", app="shop:app"),)),)


def test_what_is_said_about_a_single_application() -> None:
    single = Single(interface="wsgi", factory=True, root_path="/shop/", threads=0)
    (site,) = settings_of("shop:make", single, environ={}).sites
    assert site.apps == (AppSettings(at="/", wsgi="shop:make", factory=True, root_path="/shop", threads=0),)


def test_a_folder(tmp_path: Path) -> None:
    assert settings_of(str(tmp_path), environ={}).sites == (SiteSettings(root=str(tmp_path)),)


def test_a_site_file(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text(SITE, "utf-8")
    assert settings_of(str(path), environ={}).sites[0].apps[0].app == "shop:app"


def test_the_environment_overrides_without_a_site_file_too() -> None:
    assert settings_of("shop:app", environ={"PENSTOCK_SERVER__BACKLOG": "7"}).server.backlog == 7


def test_options_of_a_single_application_are_refused_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text(SITE, "utf-8")
    single = Single(interface="wsgi", factory=True, root_path="/a", threads=2)
    with pytest.raises(ConfigurationError) as caught:
        settings_of(str(path), single, environ={})
    assert [problem.where for problem in caught.value.problems] == [
        "--interface",
        "--factory",
        "--root-path",
        "--threads",
    ]
    assert "[[site.app]]" in caught.value.problems[0].message
    with pytest.raises(ConfigurationError, match="folder of files"):
        settings_of(str(tmp_path), single, environ={})


def test_a_root_path_begins_with_a_slash() -> None:
    with pytest.raises(ConfigurationError, match='does not begin with "/"'):
        settings_of("shop:app", Single(root_path="shop"), environ={})


def test_the_source_of_a_package_is_not_served_by_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    with pytest.raises(ConfigurationError, match='write "shop:app"'):
        kind_of("shop")
    assert kind_of("./shop") is Kind.FOLDER


def test_folders_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings_of("shop:app", environ={}).server.app_dirs == (str(tmp_path),)


def test_the_interface_is_the_key_of_the_application() -> None:
    found = [settings_of("shop:app", Single(interface=name), environ={}).sites[0].apps[0] for name in ("auto", "owin")]
    assert [(app.app, app.owin) for app in found] == [("shop:app", None), (None, "shop:app")]


def test_a_folder_where_the_site_file_was_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "penstock.toml"
    folder.mkdir()
    with pytest.raises(ConfigurationError, match="it is a folder: a site file is a text file"):
        kind_of(str(folder))
