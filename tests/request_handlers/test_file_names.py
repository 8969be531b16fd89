"""Which request paths may name a file: pipeline F-01 and F-08, bad-input rows 70 and 71."""

import random

import pytest

from penstock.request_handlers.file_names import has_ending, split_path


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", [""]),
        ("/a.css", ["a.css"]),
        ("/a/b/", ["a", "b", ""]),
        ("/.well-known/security.txt", [".well-known", "security.txt"]),
        ("/b..c/d", ["b..c", "d"]),
        ("/a b/grün ☃.txt", ["a b", "grün ☃.txt"]),
        ("/console/auxiliary.js", ["console", "auxiliary.js"]),
        ("/report-2027-01-01T10:00.txt", ["report-2027-01-01T10:00.txt"]),
        ("/%2e%2e/passwd", ["%2e%2e", "passwd"]),
    ],
)
def test_names_of_files(path: str, segments: list[str]) -> None:
    assert segments == split_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "//etc/passwd",
        "/a//b",
        "/a//",
        "/..",
        "/../etc/passwd",
        "/a/../../b",
        "/.",
        "/....",
        "/....//etc/passwd",
        "/..\\..\\etc\\passwd",
        "/\\\\host\\share",
        "/static/C:\\x",
        "/C:/x",
        "/c:x",
        "/a\0.txt",
        "/a\n.txt",
        "/a\x7f",
    ],
)
def test_pipeline_f08_row_70_ways_out_of_the_root(path: str) -> None:
    assert split_path(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "/con",
        "/CON",
        "/NUL.txt",
        "/AUX ",
        "/aux .js",
        "/COM1",
        "/com1.tar.gz",
        "/LPT9/x",
        "/dir/nul/file",
        "/COM\u00b9",
        "/con:x",
        "/conin$",
        "/file::$DATA",
        "/file.txt:$DATA",
        "/dir::$INDEX_ALLOCATION/x",
    ],
)
def test_row_71_devices_and_streams_of_windows(path: str) -> None:
    assert split_path(path) is None


@pytest.mark.parametrize("path", ["/a.", "/a ", "/a./b", "/a /b", "/a...", "/a.txt. "])
def test_pipeline_f01_names_ending_with_a_dot_or_a_blank(path: str) -> None:
    assert split_path(path) is None


@pytest.mark.parametrize(
    "path", ["/.git/config", "/.env", "/a/.htaccess", "/a/.well-known/x", "/.well-known/.x", "/.well-knownx"]
)
def test_pipeline_f01_hidden_names(path: str) -> None:
    assert split_path(path) is None


def test_row_70_no_path_has_a_segment_that_leaves_its_folder() -> None:
    chance = random.Random(70)
    for _ in range(20_000):
        path = "/" + "".join(chance.choices(["/", ".", "..", "a", "\\", "\0", ":", " "], k=chance.randrange(8)))
        for segment in split_path(path) or []:
            assert segment not in (".", "..")
            assert not set(segment) & set("/\\\0")


@pytest.mark.parametrize(
    ("path", "expected"), [("/a.js", True), ("/a", False), ("/a.b/c", False), ("/", False), ("/.x", True)]
)
def test_endings(path: str, expected: bool) -> None:
    assert expected is has_ending(path)
