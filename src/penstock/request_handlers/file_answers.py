"""What is put into a response for one file: all of it, a part, several parts, or only its validators."""

import os
import secrets
from collections.abc import Awaitable, Sequence

from penstock.errors import HTTPError
from penstock.http.conditional import Outcome, evaluate, is_range_current
from penstock.http.ranges import (
    ByteRange,
    content_range,
    multipart_end,
    part_heads,
    resolve_ranges,
    unsatisfied_range,
)
from penstock.pipeline.context import Context
from penstock.pipeline.response import Response
from penstock.request_handlers.file_resources import Fields, Variant
from penstock.request_handlers.file_tree import OpenFile


def set_head(response: Response, status: int, fields: Fields) -> None:
    """Set status and fields; of what modules have set before, only fields of the same names go, except for lists."""
    response.begin_head(status)
    headers = response.raw_headers
    if headers:
        names = {name for name, _ in fields if name != b"vary"}
        headers[:] = [pair for pair in headers if pair[0] not in names]
    headers.extend(fields)


def answer_file(
    context: Context, variant: Variant, *, fields: dict[bytes, bytes], file: OpenFile | None, now: int
) -> Awaitable[None] | None:
    """Answer a GET or HEAD with `variant`, or with what the conditions and ranges in `fields` make of it.

    `file` is the open file of a variant that is not in memory; a response that sends it takes it over. `now` is in
    seconds since 1970. Gives an awaitable when several parts have to be streamed. Raises HTTPError (412).
    """
    response = context.response
    outcome = evaluate(fields, variant.validators, is_get_or_head=True, now=now) if fields else Outcome.PROCEED
    if outcome is Outcome.FAILED:
        raise HTTPError(412, "the file is not in the state that the request asks for")
    if outcome is Outcome.NOT_MODIFIED:
        # RFC 9110 section 15.4.5.
        set_head(response, 304, variant.not_modified_head)
        return None
    asked = fields.get(b"range")
    # RFC 9110 section 14.2: a Range means something to GET alone.
    if asked is not None and context.worker_request.head.method == "GET":
        parts = resolve_ranges(asked, variant.size)
        if parts is not None and is_range_current(fields.get(b"if-range"), variant.validators, now):
            return _answer_ranges(context, variant, parts=parts, file=file)
    _answer_whole(response, variant, file)
    return None


def _answer_whole(response: Response, variant: Variant, file: OpenFile | None) -> None:
    """Answer with all of a file: from memory, or `file`, which the response then owns."""
    set_head(response, 200, variant.head)
    if variant.body is not None:
        response.content = variant.body
    elif file is not None:
        response.send_file(file.take(), 0, variant.size)


def _answer_ranges(
    context: Context, variant: Variant, *, parts: Sequence[ByteRange], file: OpenFile | None
) -> Awaitable[None] | None:
    if not parts:
        _answer_unsatisfied(context.response, variant)
    elif len(parts) == 1:
        _answer_part(context.response, variant, part=parts[0], file=file)
    else:
        boundary = secrets.token_hex(16).encode("ascii")
        return _answer_parts(context, variant, parts=parts, file=file, boundary=boundary)
    return None


def _answer_unsatisfied(response: Response, variant: Variant) -> None:
    """Answer 416: there are no such bytes (pipeline F-03: with the size, without content and its type)."""
    set_head(response, 416, [(b"content-range", unsatisfied_range(variant.size)), (b"accept-ranges", b"bytes")])


def _answer_part(response: Response, variant: Variant, *, part: ByteRange, file: OpenFile | None) -> None:
    """Answer 206 with one part (RFC 9110 section 15.3.7.1)."""
    set_head(response, 206, [*variant.head, (b"content-range", content_range(part, variant.size))])
    if variant.body is not None:
        response.content = variant.body[part.first : part.last + 1]
    elif file is not None:
        response.send_file(file.take(), part.first, part.length)


def _answer_parts(
    context: Context, variant: Variant, *, parts: Sequence[ByteRange], file: OpenFile | None, boundary: bytes
) -> Awaitable[None] | None:
    """Answer 206 with several parts (RFC 9110 section 15.3.7.2). An awaitable streams them from `file`, which it owns."""
    response = context.response
    heads = part_heads(parts, variant.size, content_type=variant.content_type, boundary=boundary)
    end = multipart_end(boundary)
    fields = [pair for pair in variant.head if pair[0] != b"content-type"]
    set_head(response, 206, [(b"content-type", b"multipart/byteranges; boundary=" + boundary), *fields])
    body = variant.body
    if body is not None:
        pieces = [head + body[part.first : part.last + 1] for head, part in zip(heads, parts, strict=True)]
        response.content = b"".join([*pieces, end])
        return None
    assert file is not None
    length = sum([len(head) for head in heads]) + sum([part.length for part in parts]) + len(end)
    response.raw_headers.append((b"content-length", b"%d" % length))
    return _stream_parts(context, file.take(), heads=heads, parts=parts, end=end)


async def _stream_parts(
    context: Context, descriptor: int, *, heads: Sequence[bytes], parts: Sequence[ByteRange], end: bytes
) -> None:
    response = context.response
    try:
        for head, part in zip(heads, parts, strict=True):
            response.write(head)
            pending = response.send_buffered()
            if pending is not None:
                await pending
            await context.worker_request.send_file(None, descriptor, part.first, part.length, True)
    finally:
        os.close(descriptor)
    response.write(end)
