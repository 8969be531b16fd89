"""What is kept about the files that answer one path: their validators, their heads, ready to send, and small bodies."""

import os
from typing import Final

from penstock.http.conditional import Validators
from penstock.http.dates import format_http_date
from penstock.request_handlers.content_types import find_content_type
from penstock.request_handlers.file_lookup import PLAIN, Located
from penstock.request_handlers.file_tree import OpenFile, signature_of

Fields = list[tuple[bytes, bytes]]

SMALL: Final = 65536
"""Bytes up to which a file is kept in memory; above it is sent by the system."""

# What an entry costs beside its bodies, roughly: objects, header values, the key.
_OVERHEAD: Final = 2048
# A file written within this time may be written again and look the same: its time stamp is coarser than that.
_SETTLED_AFTER_NS: Final = 2_000_000_000
_MOST_ATTEMPTS: Final = 3


class Variant:
    """One file as it may be sent: `head` for 200 (without framing), `not_modified_head` for 304, `body` if it is small.

    `coding` is b"" for the plain file. `common` are fields for every answer, such as Vary and Cache-Control. `now` is in
    seconds since 1970.
    """

    __slots__ = (
        "body",
        "coding",
        "common",
        "content_type",
        "head",
        "not_modified_head",
        "segments",
        "signature",
        "size",
        "validators",
    )

    def __init__(self, coding: bytes, file: OpenFile, *, content_type: bytes, common: Fields, now: int) -> None:
        self.coding = coding
        self.content_type = content_type
        self.common = common
        self.segments = file.segments
        self.signature = file.signature
        self.size = file.size
        self.body: bytes | None = None
        # RFC 9110 section 8.8.2.1: never later than now. Whole seconds, rounded down (pipeline F-02).
        last_modified = min(file.mtime_ns // 1_000_000_000, now)
        # pipeline F-02: from time and size, so that two writes within a second differ; another one for each coding.
        suffix = b"-" + coding if coding else b""
        etag = b'"%x-%x%s"' % (file.mtime_ns, file.size, suffix)
        self.validators = Validators(etag=etag, last_modified=last_modified)
        self.head: Fields = [
            (b"content-type", content_type),
            (b"etag", etag),
            (b"last-modified", format_http_date(last_modified)),
            (b"accept-ranges", b"bytes"),
            *common,
        ]
        if coding:
            self.head.append((b"content-encoding", coding))
        # RFC 9110 section 15.4.5: what a 304 repeats.
        self.not_modified_head: Fields = [(b"etag", etag), *common]

    def renewed(self, file: OpenFile, now: int) -> "Variant":
        """Give this variant as `file`, the same one opened now, has it: another one when it was changed meanwhile."""
        if file.signature == self.signature:
            return self
        return Variant(self.coding, file, content_type=self.content_type, common=self.common, now=now)


class Resource:
    """Everything that can answer one path, found at one time and believed until `valid_until` on the cache's clock.

    `is_settled` is False while a file is so fresh that it could change without showing it: it is read again.
    """

    __slots__ = (
        "codings",
        "cost",
        "effective_path",
        "is_elsewhere",
        "is_settled",
        "plain",
        "signature",
        "valid_until",
        "variants",
    )

    def __init__(self, path: str, located: Located, *, variants: dict[bytes, Variant], is_settled: bool) -> None:
        self.effective_path = located.effective_path
        self.is_elsewhere = path != located.effective_path
        self.signature = located.signature
        self.variants = variants
        self.plain = variants[PLAIN]
        self.codings = tuple([coding for coding in variants if coding])
        self.valid_until = 0.0
        self.is_settled = is_settled
        self.cost = _OVERHEAD + len(path) + sum([len(variant.body or b"") for variant in variants.values()])


def load_resource(path: str, located: Located, *, common: Fields, now_ns: int) -> Resource:
    """Read what is small of the files that answer `path` and make their heads; `now_ns` is the time of day."""
    content_type = find_content_type(located.name)
    variants: dict[bytes, Variant] = {}
    is_settled = True
    for coding, file in located.files.items():
        body = _read_small(file)
        variant = Variant(coding, file, content_type=content_type, common=common, now=now_ns // 1_000_000_000)
        variant.body = body
        variants[coding] = variant
        is_settled = is_settled and now_ns - file.mtime_ns > _SETTLED_AFTER_NS
    return Resource(path, located, variants=variants, is_settled=is_settled)


def _read_small(file: OpenFile) -> bytes | None:
    """Give the content of a small file, whole and of one state; None if it is large or never stays the same."""
    for _ in range(_MOST_ATTEMPTS):
        if file.size > SMALL:
            return None
        os.lseek(file.fd, 0, os.SEEK_SET)
        body = _read_at_most(file.fd, file.size + 1)
        status = os.fstat(file.fd)
        if len(body) == file.size and signature_of(status) == file.signature:
            return body
        file.see(status)
    return None


def _read_at_most(fd: int, count: int) -> bytes:
    body = os.read(fd, count)
    while 0 < len(body) < count and (more := os.read(fd, count - len(body))):
        body += more
    return body
