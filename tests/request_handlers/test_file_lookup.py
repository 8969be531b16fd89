"""Which files answer a path: the one it names or a folder's document, and the compressed ones beside it."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from penstock import HTTPError
from penstock.request_handlers.file_lookup import FileLookup, NoDocument
from tests.request_handlers.file_subject import lookup_in, write


def found(lookup: FileLookup, path: str) -> tuple[str, dict[bytes, bytes]]:
    """The effective path, and the content of each file by its coding."""
    located = lookup.locate(path)
    try:
        return located.effective_path, {coding: os.read(file.fd, 100) for coding, file in located.files.items()}
    finally:
        located.close()


class TestLocating:
    def test_pipeline_f01_a_file_is_what_it_names(self, tmp_path: Path) -> None:
        write(tmp_path, "a.png", "folder/b.txt")
        assert found(lookup_in(tmp_path), "/a.png") == ("/a.png", {b"": b"a.png"})
        assert found(lookup_in(tmp_path), "/folder/b.txt") == ("/folder/b.txt", {b"": b"folder/b.txt"})

    def test_pipeline_f01_a_folder_is_its_first_document(self, tmp_path: Path) -> None:
        write(tmp_path, "folder/second.html")
        (tmp_path / "folder/first.html").mkdir()
        lookup = lookup_in(tmp_path, documents=("missing.html", "first.html", "second.html"))
        assert found(lookup, "/folder/") == ("/folder/second.html", {b"": b"folder/second.html"})

    def test_pipeline_f01_a_folder_without_a_document_is_403(self, tmp_path: Path) -> None:
        write(tmp_path, "folder/a.txt")
        with pytest.raises(NoDocument) as caught:
            lookup_in(tmp_path).locate("/folder/")
        assert caught.value.status == 403

    def test_pipeline_f01_a_folder_that_lacks_its_slash_has_no_files(self, tmp_path: Path) -> None:
        write(tmp_path, "folder/index.html")
        assert found(lookup_in(tmp_path), "/folder") == ("/folder", {})

    @pytest.mark.parametrize("path", ["/missing", "/missing/", "/a.txt/", "/.env", "/a.txt/b", "no slash"])
    def test_pipeline_f01_what_is_not_there_is_404(self, path: str, tmp_path: Path) -> None:
        write(tmp_path, "a.txt", ".env")
        with pytest.raises(HTTPError) as caught:
            lookup_in(tmp_path).locate(path)
        assert (caught.value.status, type(caught.value)) == (404, HTTPError)


class TestSiblings:
    def test_pipeline_f07_compressed_files_are_found_by_their_coding(self, tmp_path: Path) -> None:
        write(tmp_path, "a.js", "a.js.br", "a.js.gz", "a.js.zst")
        assert found(lookup_in(tmp_path), "/a.js")[1] == {b"": b"a.js", b"br": b"a.js.br", b"gzip": b"a.js.gz"}
        assert list(found(lookup_in(tmp_path, precompressed=("zst",)), "/a.js")[1]) == [b"", b"zstd"]

    def test_pipeline_f07_they_are_not_looked_for_beside_what_is_compressed_already(self, tmp_path: Path) -> None:
        write(tmp_path, "a.png", "a.png.br")
        lookup = lookup_in(tmp_path)
        assert list(found(lookup, "/a.png")[1]) == [b""]
        assert (lookup.can_have_siblings("a.js"), lookup.can_have_siblings("a.png")) == (True, False)
        assert not lookup_in(tmp_path, precompressed=()).can_have_siblings("a.js")

    @pytest.mark.parametrize(("number", "status"), [(errno.EACCES, 0), (errno.EMFILE, 503), (errno.EIO, -1)])
    def test_one_that_may_not_be_read_is_as_good_as_none(
        self, number: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path, "a.js", "a.js.br")
        opened = os.open

        def deny(path: Any, *arguments: Any, **options: Any) -> int:
            if path == "a.js.br":
                raise OSError(number, "denied")
            return opened(path, *arguments, **options)

        monkeypatch.setattr(os, "open", deny)
        if not status:
            assert list(found(lookup_in(tmp_path), "/a.js")[1]) == [b""]
            return
        with pytest.raises((HTTPError, OSError)) as caught:
            lookup_in(tmp_path).locate("/a.js")
        assert getattr(caught.value, "status", -1) == status

    def test_a_folder_is_no_compressed_file(self, tmp_path: Path) -> None:
        write(tmp_path, "a.js", "a.js.br/b")
        assert list(found(lookup_in(tmp_path), "/a.js")[1]) == [b""]


class TestSignature:
    def test_is_another_one_when_any_of_the_files_is(self, tmp_path: Path) -> None:
        seen = set()
        write(tmp_path, "a.js")
        for name, content, modified in (
            ("a.js", b"one", 1.0),
            ("a.js.br", b"one", 1.0),
            ("a.js.br", b"one", 2.0),
            ("a.js", b"longer", 1.0),
        ):
            write(tmp_path, name, content=content, modified=modified)
            located = lookup_in(tmp_path).locate("/a.js")
            seen.add(located.signature)
            located.close()
        assert len(seen) == 4
