"""Which folders have moved, and which modules were imported from them."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from penstock.errors import StartupError
from penstock.server.moved_folders import (
    Move,
    check_renewable,
    find_moves,
    folders_of,
    give_back,
    has_environment,
    real_paths,
    take_modules,
)
from penstock.settings import ServerSettings, Settings, SiteSettings


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "a")
    before, modules = list(sys.path), set(sys.modules)
    yield link
    sys.path[:] = before
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_roots_and_import_folders_are_watched_once() -> None:
    sites = (SiteSettings(root="/srv/files"), SiteSettings(root="/srv/code"), SiteSettings())
    settings = Settings(server=ServerSettings(app_dirs=("/srv/code",)), sites=sites)
    assert folders_of(settings) == ["/srv/code", "/srv/files"]


def test_a_link_that_leads_elsewhere_is_a_move(link: Path, tmp_path: Path) -> None:
    known = real_paths([str(link), str(tmp_path)])
    assert find_moves(known) == []
    link.unlink()
    link.symlink_to(tmp_path / "b")
    moves = find_moves(known)
    assert moves == [Move(str(link), os.path.realpath(tmp_path / "a"), os.path.realpath(tmp_path / "b"))]
    assert str(moves[0]) == f"{link} was {moves[0].before} and is {moves[0].now}"


def test_a_link_above_the_folder_counts_too(link: Path, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name / "public").mkdir()
    known = real_paths([str(link / "public")])
    link.unlink()
    link.symlink_to(tmp_path / "b")
    assert len(find_moves(known)) == 1


def test_a_link_that_leads_nowhere_is_left_alone(link: Path) -> None:
    known = real_paths([str(link)])
    link.unlink()
    assert find_moves(known) == []


def test_modules_below_either_path_are_taken_and_given_back(link: Path, tmp_path: Path) -> None:
    (tmp_path / "a" / "moved_one.py").write_text("")
    (tmp_path / "a" / "moved_space").mkdir()
    (tmp_path / "a" / "moved_space" / "two.py").write_text("")
    (tmp_path / "a" / "moved_real.py").write_text("")
    sys.path[:0] = [str(link)]
    importlib.import_module("moved_one")
    importlib.import_module("moved_space.two")
    sys.path[0] = str(tmp_path / "a")
    importlib.import_module("moved_real")
    names = {"moved_one", "moved_space", "moved_space.two", "moved_real"}
    taken = take_modules([Move(str(link), str(tmp_path / "a"), str(tmp_path / "b"))])
    assert set(taken) == names
    assert not names & set(sys.modules)
    give_back(taken)
    assert names <= set(sys.modules)


def test_what_is_installed_stays_and_so_does_penstock(link: Path, tmp_path: Path) -> None:
    installed = ModuleType("moved_installed")
    installed.__file__ = str(tmp_path / "a" / "lib" / "site-packages" / "moved_installed.py")
    own = ModuleType("penstock.moved")
    own.__file__ = str(tmp_path / "a" / "penstock" / "moved.py")
    odd = ModuleType("moved_odd")
    odd.__path__ = 5  # type: ignore[assignment]
    for module in (installed, own, odd):
        sys.modules[module.__name__] = module
    assert take_modules([Move(str(link), str(tmp_path / "a"), str(tmp_path / "b"))]) == {}


def test_django_cannot_be_started_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "django", raising=False)
    check_renewable({"shop": ModuleType("shop")})
    monkeypatch.setitem(sys.modules, "django", ModuleType("django"))
    check_renewable({})
    with pytest.raises(StartupError, match="for the life of a process"):
        check_renewable({"shop": ModuleType("shop")})


def test_an_environment_within_the_folder_is_seen() -> None:
    parent = os.path.dirname(os.path.abspath(sys.prefix))
    assert has_environment([Move(parent, parent, "/elsewhere")])
    assert not has_environment([Move("/srv/current", "/srv/releases/1", "/srv/releases/2")])
