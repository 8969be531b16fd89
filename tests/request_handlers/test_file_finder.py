"""What answers a path, remembered for a while: a change shows after half a second at most."""

from pathlib import Path

import pytest

from penstock import HTTPError
from penstock.request_handlers.file_cache import FileCache
from penstock.request_handlers.file_finder import RECHECK, FileFinder
from penstock.request_handlers.file_resources import Resource
from tests.request_handlers.file_subject import MODIFIED, lookup_in, write


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def finder_in(folder: Path, clock: Clock, *, cache: int = 1_000_000) -> FileFinder:
    return FileFinder(
        lookup_in(folder), FileCache(cache), common=[], clock=clock, time_of_day=lambda: MODIFIED + 100 + clock.seconds
    )


def body_of(resource: Resource | None) -> bytes | None:
    return None if resource is None else resource.plain.body


def test_a_change_shows_when_the_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    finder = finder_in(tmp_path, clock)
    write(tmp_path, "a.txt", content=b"one")
    first = finder.find("/a.txt")
    write(tmp_path, "a.txt", content=b"other")
    assert finder.find("/a.txt") is first
    clock.seconds = RECHECK
    assert body_of(finder.find("/a.txt")) == b"other"


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    clock = Clock()
    finder = finder_in(tmp_path, clock)
    write(tmp_path, "a.txt")
    first = finder.find("/a.txt")
    clock.seconds = RECHECK
    assert finder.find("/a.txt") is first
    assert first is not None
    assert first.valid_until == 2 * RECHECK


def test_what_may_change_unseen_is_read_again(tmp_path: Path) -> None:
    clock = Clock()
    finder = finder_in(tmp_path, clock)
    write(tmp_path, "a.txt", modified=MODIFIED + 99.5)
    first = finder.find("/a.txt")
    clock.seconds = RECHECK
    assert finder.find("/a.txt") is not first


def test_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    finder = finder_in(tmp_path, clock)
    write(tmp_path, "a.txt")
    finder.find("/a.txt")
    (tmp_path / "a.txt").unlink()
    clock.seconds = RECHECK
    with pytest.raises(HTTPError):
        finder.find("/a.txt")
    assert "/a.txt" not in finder.resources


def test_without_a_cache_the_disk_is_looked_at_every_time(tmp_path: Path) -> None:
    finder = finder_in(tmp_path, Clock(), cache=0)
    write(tmp_path, "a.txt", content=b"one")
    assert body_of(finder.find("/a.txt")) == b"one"
    write(tmp_path, "a.txt", content=b"other")
    assert body_of(finder.find("/a.txt")) == b"other"


def test_a_folder_that_lacks_its_slash_is_none(tmp_path: Path) -> None:
    write(tmp_path, "folder/index.html")
    finder = finder_in(tmp_path, Clock())
    assert finder.find("/folder") is None
    assert not finder.resources


@pytest.mark.parametrize(("name", "varies"), [("a.js", True), ("a.png", False)])
def test_rfc9110_section_12_5_5_what_may_have_another_coding_varies(name: str, varies: bool, tmp_path: Path) -> None:
    write(tmp_path, name)
    found = finder_in(tmp_path, Clock()).find(f"/{name}")
    assert found is not None
    assert ((b"vary", b"accept-encoding") in found.plain.head) == varies
