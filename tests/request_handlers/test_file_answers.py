"""What is put into a response for one file: all of it, a part, several parts, or only its validators."""

from collections.abc import Awaitable
from pathlib import Path

import pytest

from penstock import Context, Response
from penstock.request_handlers.file_answers import answer_file, set_head
from penstock.request_handlers.file_resources import load_resource
from penstock.testing import ClientResponse
from tests.pipeline.subject import ask, open_site
from tests.request_handlers.file_subject import MODIFIED, lookup_in, write

TEN = b"0123456789"
LARGE = TEN * 10_000
NOW = MODIFIED + 100


def answered(folder: Path, content: bytes = TEN, *, method: str = "GET", **fields: str) -> ClientResponse:
    """The answer to a request with `fields` for a file of `content`."""
    write(folder, "a.bin", content=content)
    asked = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}

    async def handler(context: Context) -> None:
        located = lookup_in(folder).locate("/a.bin")
        try:
            plain = load_resource("/a.bin", located, common=[], now_ns=NOW * 1_000_000_000).plain
            pending: Awaitable[None] | None = answer_file(
                context, plain, fields=asked, file=located.files[b""], now=NOW
            )
            if pending is not None:
                await pending
        finally:
            located.close()

    return ask(open_site(function=handler, methods=("GET", "HEAD")), method=method)


CONTENTS = pytest.mark.parametrize("content", [TEN, LARGE], ids=["in memory", "from the disk"])


@CONTENTS
def test_pipeline_f03_all_of_it(content: bytes, tmp_path: Path) -> None:
    found = answered(tmp_path, content)
    assert (found.status, found.body, found.headers["accept-ranges"]) == (200, content, "bytes")


@CONTENTS
def test_pipeline_f03_a_part_of_it(content: bytes, tmp_path: Path) -> None:
    found = answered(tmp_path, content, range="bytes=2-4")
    assert (found.status, found.body) == (206, b"234")
    assert found.headers["content-range"] == f"bytes 2-4/{len(content)}"


@CONTENTS
def test_pipeline_f03_several_parts(content: bytes, tmp_path: Path) -> None:
    found = answered(tmp_path, content, range="bytes=0-1,5-6")
    kind, _, boundary = found.headers["content-type"].partition("; boundary=")
    assert (found.status, kind, "content-range" in found.headers) == (206, "multipart/byteranges", False)
    parts = found.body.split(b"--" + boundary.encode())
    assert [part.rpartition(b"\r\n\r\n")[2].strip() for part in parts[1:3]] == [b"01", b"56"]
    assert parts[3] == b"--\r\n"
    assert found.headers.get("content-length") in (None, str(len(found.body)))


def test_pipeline_f03_no_such_bytes(tmp_path: Path) -> None:
    found = answered(tmp_path, range="bytes=10-")
    assert (found.status, found.body, found.headers["content-range"]) == (416, b"", "bytes */10")
    assert "content-type" not in found.headers


def test_rfc9110_section_14_2_a_range_means_nothing_to_head(tmp_path: Path) -> None:
    found = answered(tmp_path, method="HEAD", range="bytes=2-4")
    assert (found.status, found.body) == (200, b"")


def test_pipeline_f02_what_the_client_has_is_not_sent_again(tmp_path: Path) -> None:
    etag = answered(tmp_path).headers["etag"]
    found = answered(tmp_path, if_none_match=etag, range="bytes=2-4")
    assert (found.status, found.body, found.headers.items()) == (304, b"", [("etag", etag)])


def test_pipeline_f02_a_condition_that_does_not_hold_is_412(tmp_path: Path) -> None:
    assert answered(tmp_path, if_match='"other"').status == 412


def test_pipeline_f03_a_range_of_another_state_is_all_of_it(tmp_path: Path) -> None:
    found = answered(tmp_path, range="bytes=2-4", if_range='"other"')
    assert (found.status, found.body) == (200, TEN)


def test_of_what_modules_have_set_only_fields_of_the_same_name_go() -> None:
    response = Response(headers={"vary": "cookie", "etag": "theirs", "x-one": "1"})
    set_head(response, 206, [(b"etag", b"ours"), (b"vary", b"accept-encoding")])
    assert response.status == 206
    assert response.raw_headers == [
        (b"vary", b"cookie"),
        (b"x-one", b"1"),
        (b"etag", b"ours"),
        (b"vary", b"accept-encoding"),
    ]
