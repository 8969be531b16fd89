"""What is kept about the files of one path: validators, heads that can be sent, small bodies."""

from pathlib import Path

import pytest

from penstock.http.dates import format_http_date
from penstock.request_handlers.file_resources import SMALL, Resource, load_resource
from tests.request_handlers.file_subject import MODIFIED, lookup_in, write

SECOND = 1_000_000_000
COMMON = [(b"cache-control", b"no-cache")]


def load(folder: Path, path: str = "/a.js", *, now: float = MODIFIED + 100) -> Resource:
    located = lookup_in(folder).locate(path)
    try:
        return load_resource(path, located, common=COMMON, now_ns=int(now * SECOND))
    finally:
        located.close()


class TestHeads:
    def test_pipeline_f02_they_can_be_sent_as_they_are(self, tmp_path: Path) -> None:
        write(tmp_path, "a.js")
        plain = load(tmp_path).plain
        head = dict(plain.head)
        assert head[b"content-type"] == b"text/javascript; charset=utf-8"
        assert head[b"last-modified"] == format_http_date(MODIFIED)
        assert head[b"accept-ranges"] == b"bytes"
        assert head[b"cache-control"] == b"no-cache"
        assert b"content-encoding" not in head
        assert plain.not_modified_head == [(b"etag", head[b"etag"]), *COMMON]
        assert plain.validators.etag == head[b"etag"]

    def test_pipeline_f02_each_coding_has_an_etag_of_its_own(self, tmp_path: Path) -> None:
        write(tmp_path, "a.js", "a.js.br", content=b"same")
        resource = load(tmp_path)
        assert resource.codings == (b"br",)
        compressed = dict(resource.variants[b"br"].head)
        assert compressed[b"content-encoding"] == b"br"
        assert compressed[b"content-type"] == dict(resource.plain.head)[b"content-type"]
        assert compressed[b"etag"] == dict(resource.plain.head)[b"etag"][:-1] + b'-br"'

    def test_pipeline_f02_an_etag_changes_with_time_and_size(self, tmp_path: Path) -> None:
        etags = set()
        for content, modified in ((b"one", 1.0), (b"two", 1.0), (b"three", 1.0), (b"one", 1.5)):
            write(tmp_path, "a.js", content=content, modified=modified)
            etags.add(load(tmp_path).plain.validators.etag)
        assert len(etags) == 3  # of the same time and size, nothing can be told

    def test_rfc9110_section_8_8_2_1_nothing_was_modified_in_the_future(self, tmp_path: Path) -> None:
        write(tmp_path, "a.js", modified=MODIFIED + 500)
        assert load(tmp_path, now=MODIFIED).plain.validators.last_modified == MODIFIED


class TestBodies:
    @pytest.mark.parametrize(("size", "is_kept"), [(0, True), (SMALL, True), (SMALL + 1, False)])
    def test_small_ones_are_kept(self, size: int, is_kept: bool, tmp_path: Path) -> None:
        write(tmp_path, "a.js", content=bytes(size))
        plain = load(tmp_path).plain
        assert (plain.size, plain.body) == (size, bytes(size) if is_kept else None)

    def test_what_an_entry_costs_grows_with_them(self, tmp_path: Path) -> None:
        write(tmp_path, "a.js", content=b"")
        least = load(tmp_path).cost
        write(tmp_path, "a.js", "a.js.br", content=bytes(1000))
        assert load(tmp_path).cost == least + 2000


class TestSettling:
    @pytest.mark.parametrize(("age", "is_settled"), [(0.0, False), (1.9, False), (2.1, True)])
    def test_a_file_that_was_just_written_may_change_unseen(self, age: float, is_settled: bool, tmp_path: Path) -> None:
        write(tmp_path, "a.js")
        assert load(tmp_path, now=MODIFIED + age).is_settled == is_settled


class TestPlaces:
    def test_a_document_answers_for_its_folder(self, tmp_path: Path) -> None:
        write(tmp_path, "folder/index.html")
        resource = load(tmp_path, "/folder/")
        assert (resource.effective_path, resource.is_elsewhere) == ("/folder/index.html", True)
        assert not load(tmp_path, "/folder/index.html").is_elsewhere


class TestRenewal:
    def test_a_file_that_has_changed_since_gets_another_head(self, tmp_path: Path) -> None:
        write(tmp_path, "a.js")
        plain = load(tmp_path).plain
        for content, is_same in ((None, True), (b"changed", False)):
            write(tmp_path, "a.js", content=content)
            located = lookup_in(tmp_path).locate("/a.js")
            renewed = plain.renewed(located.files[b""], MODIFIED + 100)
            located.close()
            assert (renewed is plain) == is_same
        assert (renewed.size, renewed.body) == (7, None)
        assert dict(renewed.head)[b"etag"] != dict(plain.head)[b"etag"]
