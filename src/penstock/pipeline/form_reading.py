"""How the body of a request becomes a form, as it comes or all at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from penstock.errors import RequestRejected
from penstock.http.media_type import MediaType, read_media_type
from penstock.http.urlencoded import read_urlencoded
from penstock.pipeline.body_stream import read_piece, read_whole
from penstock.pipeline.forms import Form
from penstock.pipeline.multipart_form import MultipartReader, refused

if TYPE_CHECKING:
    from penstock.http.headers import Headers
    from penstock.intake.worker_request import WorkerRequest

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

# From here on urlencoded fields are decoded in a thread: less takes less time than going there and back is worth.
_LARGE: Final = 262_144


def form_type(headers: Headers) -> MediaType:
    """The media type of a body that is a form. Raises RequestRejected: 415 for another one, 400 for what is none."""
    if (headers.get("content-encoding") or "identity").strip().lower() != "identity":
        # Nothing is unpacked, so a small body cannot become a large one (bad-input row 79; RFC 9110 section 15.5.16).
        raise _unsupported("a form is read without content-encoding only")
    found = read_media_type(headers.get("content-type") or "application/octet-stream")
    if found.name not in (URLENCODED, MULTIPART):
        raise _unsupported(f"a form is {URLENCODED} or {MULTIPART}, not {found.name}")
    if found.parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise _unsupported("a form is read as UTF-8 only")
    return found


def read_form_of(body: bytes, media_type: MediaType, *, limit: int) -> Form:
    """The form whose body is at hand; its uploads are in memory, as the body is. Raises RequestRejected (400)."""
    if media_type.name == URLENCODED:
        return Form(read_urlencoded(body, limit=limit))
    reader = MultipartReader(_boundary_of(media_type), limit=limit, memory=len(body))
    reader.feed(body)
    return reader.end()


async def read_form_from(worker_request: WorkerRequest, media_type: MediaType, *, limit: int, memory: int) -> Form:
    """The form whose body is coming. Raises RequestRejected (400, 413), ClientGone, HTTPError (507 when the disk is full).

    Whatever it raises, nothing remains of the uploads.
    """
    if media_type.name == URLENCODED:
        return await _read_urlencoded_from(worker_request, limit)
    reader = MultipartReader(_boundary_of(media_type), limit=limit, memory=memory)
    try:
        while piece := await read_piece(worker_request):
            for upload in reader.feed(piece):
                await asyncio.get_running_loop().run_in_executor(None, upload.spill)
        return reader.end()
    except BaseException:  # also when the task is cancelled
        reader.close()
        raise


async def _read_urlencoded_from(worker_request: WorkerRequest, limit: int) -> Form:
    body = await read_whole(worker_request)
    if len(body) < _LARGE:
        return Form(read_urlencoded(body, limit=limit))
    return await asyncio.get_running_loop().run_in_executor(None, lambda: Form(read_urlencoded(body, limit=limit)))


def _boundary_of(media_type: MediaType) -> str:
    boundary = media_type.parameters.get("boundary")
    if boundary is None:
        raise refused(f"{MULTIPART} needs a boundary in Content-Type")
    return boundary


def _unsupported(detail: str) -> RequestRejected:
    return RequestRejected(415, detail, rule="RFC 9110 section 15.5.16")
