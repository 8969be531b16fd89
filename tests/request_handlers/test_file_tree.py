"""Files below a root and never outside of it: bad-input rows 70 and 72."""

import os
import socket
from pathlib import Path

import pytest

from penstock.errors import HTTPError
from penstock.request_handlers.file_tree import FileTree

ALL_TREES = pytest.mark.parametrize("follow_symlinks", [False, True])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "file.txt").write_text("file")
    (root / "folder/inner.txt").write_text("inner")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file.txt").write_text("secret")
    return root


def content(tree: FileTree, *segments: str) -> str | None:
    file = tree.open(segments)
    if file is None:
        return None
    if file.is_folder:
        return "folder"
    try:
        return os.read(file.fd, 100).decode()
    finally:
        file.close()


@ALL_TREES
def test_files_and_folders(site: Path, follow_symlinks: bool) -> None:
    tree = FileTree(str(site), follow_symlinks=follow_symlinks)
    assert content(tree, "file.txt") == "file"
    assert content(tree, "folder", "inner.txt") == "inner"
    assert content(tree, "folder") == "folder"
    assert content(tree) == "folder"


@ALL_TREES
@pytest.mark.parametrize(
    "segments", [("missing",), ("file.txt", "x"), ("missing", "x"), ("x" * 300,), ("x" * 5000,), ("\ud800",), ("a\0b",)]
)
def test_row_70_what_is_not_there(site: Path, follow_symlinks: bool, segments: tuple[str, ...]) -> None:
    assert content(FileTree(str(site), follow_symlinks=follow_symlinks), *segments) is None


def test_row_72_links_out_of_the_root_are_not_followed(site: Path) -> None:
    (site / "file-link").symlink_to("../secret/file.txt")
    (site / "folder-link").symlink_to("../secret")
    (site / "folder/absolute").symlink_to("/etc")
    (site / "chain").symlink_to("file-link")
    tree = FileTree(str(site))
    for segments in [("file-link",), ("folder-link", "file.txt"), ("folder", "absolute", "passwd"), ("chain",)]:
        assert content(tree, *segments) is None


def test_row_72_a_link_into_a_folder_whose_name_begins_like_the_root(site: Path) -> None:
    sibling = site.parent / "rootx"
    sibling.mkdir()
    (sibling / "file.txt").write_text("sibling")
    (site / "link").symlink_to("../rootx")
    assert content(FileTree(str(site)), "link", "file.txt") is None


def test_row_72_links_out_of_the_root_are_followed_when_allowed(site: Path) -> None:
    (site / "folder-link").symlink_to("../secret")
    assert content(FileTree(str(site), follow_symlinks=True), "folder-link", "file.txt") == "secret"


def test_links_within_the_root_are_followed(site: Path) -> None:
    (site / "link").symlink_to("folder/inner.txt")
    (site / "current").symlink_to("folder")
    (site / "absolute").symlink_to(site / "file.txt")
    (site / "up").symlink_to(".")
    tree = FileTree(str(site))
    assert content(tree, "link") == "inner"
    assert content(tree, "current", "inner.txt") == "inner"
    assert content(tree, "absolute") == "file"
    assert content(tree, "up", "up", "file.txt") == "file"
    assert content(tree, "up") == "folder"


def test_the_root_may_be_a_link_and_may_be_swapped(site: Path) -> None:
    current = site.parent / "current"
    current.symlink_to(site)
    tree = FileTree(str(current))
    (site / "link").symlink_to("file.txt")
    assert (content(tree, "file.txt"), content(tree, "link")) == ("file", "file")
    current.unlink()
    current.symlink_to(site.parent / "secret")
    assert content(tree, "file.txt") == "secret"


@ALL_TREES
def test_row_72_loops_dangling_links_fifos_sockets_and_devices_are_refused(
    site: Path, monkeypatch: pytest.MonkeyPatch, follow_symlinks: bool
) -> None:
    (site / "loop").symlink_to("loop")
    (site / "dangling").symlink_to("nowhere")
    (site / "device").symlink_to("/dev/zero")
    os.mkfifo(site / "fifo")
    tree = FileTree(str(site), follow_symlinks=follow_symlinks)
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(site)  # a socket's path is short
        listener.bind("socket")
        for name in ("loop", "dangling", "device", "fifo", "socket"):
            assert content(tree, name) is None


def test_a_missing_root_has_no_files(tmp_path: Path) -> None:
    assert content(FileTree(str(tmp_path / "missing")), "file.txt") is None


@pytest.mark.parametrize("failure", [(PermissionError(13, "denied"), 403), (OSError(24, "too many"), 503)])
def test_pipeline_f01_denied_and_exhausted(
    site: Path, monkeypatch: pytest.MonkeyPatch, failure: tuple[OSError, int]
) -> None:
    def fail(*arguments: object, **options: object) -> int:
        raise failure[0]

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(HTTPError) as caught:
        FileTree(str(site)).open(["file.txt"])
    assert caught.value.status == failure[1]


def test_no_descriptor_is_left_open(site: Path) -> None:
    (site / "link").symlink_to("../secret")
    tree = FileTree(str(site))
    before = len(os.listdir("/proc/self/fd"))
    for segments in [("folder", "inner.txt"), ("missing", "x"), ("link", "file.txt"), ("folder",), ()]:
        content(tree, *segments)
    assert len(os.listdir("/proc/self/fd")) == before
