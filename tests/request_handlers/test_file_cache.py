"""The memory of files: bounded in bytes, the longest unused goes first."""

import os
from pathlib import Path

import pytest

from penstock.request_handlers.file_cache import FileCache
from penstock.request_handlers.file_lookup import FileLookup
from penstock.request_handlers.file_resources import SMALL, Resource, load_resource
from penstock.request_handlers.file_tree import FileTree


def load(folder: Path, name: str, *, size: int) -> Resource:
    (folder / name).write_bytes(bytes(size))
    lookup = FileLookup(FileTree(str(folder)), default_documents=(), precompressed=())
    located = lookup.locate(f"/{name}")
    try:
        return load_resource(f"/{name}", located, common=[], now_ns=2**60)
    finally:
        located.close()


def test_the_bound_holds_and_the_longest_unused_goes_first(tmp_path: Path) -> None:
    cache = FileCache(100_000)
    for number in range(20):
        cache.put(f"/{number}", load(tmp_path, f"{number}", size=5000))
        cache.touch("/0")
        assert cache.used <= 100_000
        assert cache.used == sum(resource.cost for resource in cache.resources.values())
    assert list(cache.resources)[-2:] == ["/19", "/0"]
    assert "/1" not in cache.resources


def test_what_is_put_again_is_counted_once(tmp_path: Path) -> None:
    cache = FileCache(100_000)
    resource = load(tmp_path, "a", size=1000)
    cache.put("/a", resource)
    cache.put("/a", resource)
    assert cache.used == resource.cost
    cache.drop("/a")
    cache.drop("/a")
    cache.touch("/a")
    assert (cache.used, len(cache.resources)) == (0, 0)


def test_nothing_takes_more_than_its_share(tmp_path: Path) -> None:
    cache = FileCache(40_000)
    cache.put("/a", load(tmp_path, "a", size=5000))
    assert len(cache.resources) == 0


def test_a_limit_of_nothing_keeps_nothing(tmp_path: Path) -> None:
    cache = FileCache(0)
    cache.put("/a", load(tmp_path, "a", size=0))
    assert (cache.used, len(cache.resources)) == (0, 0)


@pytest.mark.parametrize(("size", "is_kept"), [(SMALL, True), (SMALL + 1, False)])
def test_only_small_bodies_are_kept(tmp_path: Path, size: int, is_kept: bool) -> None:
    resource = load(tmp_path, "a", size=size)
    assert (resource.plain.body is not None) is is_kept
    assert (resource.cost > size) is is_kept


def test_row_72_a_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.read
    texts = [b"longer", b"the last"]

    def write_meanwhile(fd: int, count: int) -> bytes:
        content = read(fd, count)
        if texts:
            (tmp_path / "a").write_bytes(texts.pop(0))
        return content

    monkeypatch.setattr(os, "read", write_meanwhile)
    resource = load(tmp_path, "a", size=3)
    assert (resource.plain.body, resource.plain.size) == (b"the last", 8)


def test_row_72_a_file_that_never_stays_the_same_is_sent_as_a_large_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.read

    def grow_meanwhile(fd: int, count: int) -> bytes:
        content = read(fd, count)
        with (tmp_path / "a").open("ab") as file:
            file.write(b"x")
        return content

    monkeypatch.setattr(os, "read", grow_meanwhile)
    assert load(tmp_path, "a", size=3).plain.body is None
