"""Answers that no site has made: 400, 421 and 503 at the door, in plain text, without a detail of what runs inside."""

from __future__ import annotations

import logging

from penstock.http.messages import ResponseHead
from penstock.http.status import REASONS
from penstock.intake.worker_request import WorkerRequest

logger = logging.getLogger("penstock")


def answer_plainly(
    worker_request: WorkerRequest, status: int, detail: str, *fields: tuple[bytes, bytes]
) -> list[tuple[bytes, bytes]]:
    """Send `status` with its reason, `detail` and the header `fields`; returns all header fields. Never raises.

    A host that cannot even send that is told to cut the connection: its transport is finished once, and not again.
    """
    return send_plainly(worker_request, status, f"{status} {REASONS.get(status, 'Error')}{detail}\n", *fields)


def send_plainly(
    worker_request: WorkerRequest, status: int, text: str, *fields: tuple[bytes, bytes]
) -> list[tuple[bytes, bytes]]:
    """Send `text`, which is ASCII, as plain text; as `answer_plainly`."""
    body = text.encode("ascii")
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        *fields,
    ]
    try:
        worker_request.send(ResponseHead(status, headers), body, False)
    except Exception as error:
        logger.error("an answer with %d could not be sent: %s", status, error)
        worker_request.abort()
    return headers
