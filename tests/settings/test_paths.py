"""This file is the test of files and folders that a site file names."""

from pathlib import Path
from typing import Any

import pytest

from penstock.settings.paths import Paths
from penstock.settings.positions import KeyPath


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "index.html").touch()
    (tmp_path / "cert.pem").touch()
    return tmp_path


def resolve(tree: dict[str, Any], folder: Path) -> list[tuple[KeyPath, str]]:
    problems: list[tuple[KeyPath, str]] = []
    Paths(folder, lambda path, message: problems.append((path, message)), refused=()).resolve(tree)
    return problems


class TestPaths:
    def test_good_ones_become_absolute(self, folder: Path) -> None:
        site = {
            "root": "public",
            "offline_file": "offline.html",
            "files": {"fallback": "index.html"},
            "tls": {"certificate": "cert.pem", "key": str(folder / "cert.pem")},
        }
        tree: dict[str, Any] = {"server": {"app_dirs": ["public", "."]}, "site": [site]}
        assert resolve(tree, folder) == []
        assert tree["server"]["app_dirs"] == [str(folder / "public"), str(folder)]
        assert site["root"] == str(folder / "public")
        assert site["offline_file"] == str(folder / "offline.html"), "it need not be there yet"
        assert site["tls"] == {"certificate": str(folder / "cert.pem"), "key": str(folder / "cert.pem")}
        assert site["files"] == {"fallback": "index.html"}

    @pytest.mark.parametrize(
        ("tree", "path", "told"),
        [
            ({"site": [{"root": "publik"}]}, ("site", 0, "root"), 'publik"; did you mean "public"?'),
            ({"site": [{"root": "cert.pem"}]}, ("site", 0, "root"), "is a file, not a folder"),
            ({"server": {"app_dirs": [".", "src"]}}, ("server", "app_dirs", 1), "app_dirs: there is no folder"),
            (
                {"server": {"tls": {"certificate": "cert.pm", "key": "cert.pem"}}},
                ("server", "tls", "certificate"),
                'did you mean "cert.pem"?',
            ),
            (
                {"site": [{"tls": {"certificate": "cert.pem", "key": "public"}}]},
                ("site", 0, "tls", "key"),
                "is a folder, not a file",
            ),
            (
                {"server": {"log": {"access_file": "logs/access.log"}}},
                ("server", "log", "access_file"),
                "access_file: there is no folder",
            ),
            ({"site": [{"files": {"fallback": "x"}}]}, ("site", 0, "files", "fallback"), "this site has no root"),
            (
                {"site": [{"root": "public", "files": {"fallback": "index.htm"}}]},
                ("site", 0, "files", "fallback"),
                'did you mean "index.html"?',
            ),
            (
                {"site": [{"location": [{"errors": [{"file": "404.html"}]}]}]},
                ("site", 0, "location", 0, "errors", 0, "file"),
                "file: there is no file",
            ),
            ({"site": [{"offline_file": "a/offline.html"}]}, ("site", 0, "offline_file"), "there is no folder"),
            ({"site": [{"offline_file": "public"}]}, ("site", 0, "offline_file"), "is a folder, not a file"),
            ({"server": {"log": {"traces": "a/traces"}}}, ("server", "log", "traces"), "traces: there is no folder"),
            ({"server": {"log": {"traces": "cert.pem"}}}, ("server", "log", "traces"), "is a file, not a folder"),
            (
                {"site": [{"root": "public", "files": {"fallback": "../cert.pem"}}]},
                ("site", 0, "files", "fallback"),
                "must lie below root",
            ),
        ],
    )
    def test_those_that_lead_nowhere(self, tree: dict[str, Any], path: KeyPath, told: str, folder: Path) -> None:
        ((where, message),) = resolve(tree, folder)
        assert path == where
        assert told in message

    def test_files_of_errors_become_absolute(self, folder: Path) -> None:
        page = {"file": "public/index.html"}
        assert resolve({"site": [{"location": [{"errors": [page]}]}]}, folder) == []
        assert page == {"file": str(folder / "public" / "index.html")}

    def test_traces_lie_beside_the_site_file(self, folder: Path) -> None:
        tree: dict[str, Any] = {"site": [{"trace": [{}]}]}
        assert resolve(tree, folder) == []
        assert tree["server"]["log"] == {"traces": str(folder / "traces")}

    def test_no_traces_no_folder(self, folder: Path) -> None:
        tree: dict[str, Any] = {"site": [{}]}
        assert resolve(tree, folder) == []
        assert "log" not in tree["server"]

    def test_the_fallback_of_a_missing_root_is_not_reported_as_well(self, folder: Path) -> None:
        assert len(resolve({"site": [{"root": "publik", "files": {"fallback": "x"}}]}, folder)) == 1

    def test_sockets_are_relative_to_the_site_file(self, folder: Path) -> None:
        tree = {"server": {"listen": ["unix:a.sock", "unix:///run/b.sock", ":80", "fcgi+unix:c.sock"]}}
        assert resolve(tree, folder) == []
        assert tree["server"]["listen"] == [
            f"unix:{folder}/a.sock",
            "unix:/run/b.sock",
            ":80",
            f"fcgi+unix:{folder}/c.sock",
        ]
