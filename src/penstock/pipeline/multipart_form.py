"""A reader of multipart/form-data, fed piece by piece (RFC 7578); the library splits the parts, this page is strict about them."""

from __future__ import annotations

import re
from typing import Any, Final

from penstock.errors import ContractError, RequestRejected
from penstock.pipeline.forms import Form
from penstock.pipeline.uploads import Upload

_RULE: Final = "RFC 7578"
# RFC 2046 section 5.1.1: the characters of a boundary, and no more than 70 of them.
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# A quote that is not closed takes the rest with it: each character is looked at once (bad-input row 76).
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?')
_PARAMETER: Final = re.compile(r";[ \t]*([^ \t;=]*)")
# Bytes of one header of a part, and headers of one part: browsers send two short ones.
_HEADER_SIZE: Final = 4096
_HEADER_COUNT: Final = 8
_IDENTITIES: Final = ("", "7bit", "8bit", "binary")


class MultipartReader:
    """Reads one form: `feed` it the body and `spill` the uploads it returns, then `end` it; `close` it if anything fails."""

    __slots__ = ("_boundary", "_count", "_fields", "_files", "_limit", "_memory", "_name", "_parser", "_part", "_start")

    def __init__(self, boundary: str, *, limit: int, memory: int) -> None:
        """`limit` is the number of fields and files, `memory` how many bytes of an upload are kept in memory.

        Raises RequestRejected (400) for a boundary that is none.
        """
        if not _BOUNDARY.fullmatch(boundary):
            raise refused("Content-Type needs a boundary of 1 to 70 letters, digits and '()+_,-./:=?")
        self._boundary = b"--" + boundary.encode("ascii")
        self._limit = limit
        self._memory = memory
        self._fields: list[tuple[str, str]] = []
        self._files: list[tuple[str, Upload]] = []
        self._count = 0
        self._name = ""
        self._part: Upload | bytearray | None = None
        # What has come, until it is enough to see the first boundary in; then None.
        self._start: bytes | None = b""
        self._parser: Any = _new_parser(boundary)

    def feed(self, piece: bytes) -> list[Upload]:
        """Take a piece of the body; returns the uploads that are to be spilled now. Raises RequestRejected (400)."""
        if self._start is not None:
            piece = self._start + piece
            self._start = piece if len(piece) < len(self._boundary) + 2 else None
            if self._start is not None:
                return []
            self._check_start(piece)
        full: list[Upload] = []
        try:
            for event in self._parser.parse(piece):
                if event is None:
                    self._end_part(full)
                elif isinstance(event, bytes):
                    self._add(event, full)
                else:
                    self._begin_part(event)
        except ValueError as error:
            raise refused(_told(error)) from None
        return full

    def end(self) -> Form:
        """The body is whole. Raises RequestRejected (400) when its closing boundary is missing."""
        try:
            self._parser.close()
        except ValueError:
            raise refused("the form ends before its closing boundary") from None
        for _, upload in self._files:
            upload.rewind()
        return Form(self._fields, self._files)

    def close(self) -> None:
        """Remove what has come of the form."""
        self._parser.close(check_complete=False)
        if isinstance(self._part, Upload):
            self._part.close()
        for _, upload in self._files:
            upload.close()

    def _check_start(self, piece: bytes) -> None:
        # Nobody sends text in front of the first boundary; refused, it cannot be megabytes of it (bad-input row 76).
        if not piece.startswith(self._boundary) and not piece.startswith(b"\r\n" + self._boundary):
            raise refused("the form does not begin with the boundary that Content-Type names")

    def _begin_part(self, segment: Any) -> None:
        self._count += 1
        if self._count > self._limit:
            raise RequestRejected(400, f"the form has more than {self._limit} fields and files", rule="pipeline L-01")
        headers = _headers_of(segment)
        _check_disposition(headers.get("content-disposition", ""))
        if not segment.name or _CONTROL.search(segment.name):
            raise refused("a part of the form has no name, or one with control characters")
        self._name = str(segment.name)
        if segment.filename is None:
            self._part = bytearray()
            return
        self._part = Upload(
            self._name,
            base_name(segment.filename),
            content_type=segment.content_type or "",
            headers=headers,
            memory=self._memory,
        )

    def _add(self, piece: bytes, full: list[Upload]) -> None:
        part = self._part
        if isinstance(part, Upload):
            if part.add(piece) and part not in full:
                full.append(part)
        elif part is not None:
            part += piece

    def _end_part(self, full: list[Upload]) -> None:
        part, self._part = self._part, None
        if isinstance(part, bytearray):
            self._fields.append((self._name, _decode(part, self._name)))
        elif part is not None and (part.filename or part.size):  # a browser sends neither where no file was chosen
            self._files.append((self._name, part))
            if part.finish() and part not in full:
                full.append(part)


def base_name(filename: str) -> str:
    """The last part of what a client calls a file. Raises RequestRejected (400) for control characters and for no name."""
    if _CONTROL.search(filename):
        raise refused("the name of a file holds a control character")
    name = filename.replace("\\", "/").rpartition("/")[2].strip()
    if name in (".", "..") or (filename and not name):
        raise refused(f"{filename!r} is no name of a file")
    return name


def refused(detail: str) -> RequestRejected:
    """What a form that breaks the rules is refused with."""
    return RequestRejected(400, detail, rule=_RULE)


def _new_parser(boundary: str) -> Any:
    import multipart  # when it is used, and not at start

    if not hasattr(multipart, "PushMultipartParser"):
        raise ContractError(
            "forms need the library multipart, but an old python-multipart has taken its name: upgrade python-multipart"
        )
    return multipart.PushMultipartParser(boundary, max_header_size=_HEADER_SIZE, max_header_count=_HEADER_COUNT)


def _headers_of(segment: Any) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in segment.headerlist:
        lowered = name.lower()
        if lowered in headers:
            raise refused(f"a part of the form says {lowered} twice")
        if _CONTROL.search(value):
            raise refused(f"the {lowered} of a part holds a control character")
        headers[lowered] = value
    if headers.get("content-transfer-encoding", "").strip().lower() not in _IDENTITIES:
        raise refused("a part of the form has a content-transfer-encoding, which RFC 7578 section 4.7 took out of use")
    return headers


def _check_disposition(disposition: str) -> None:
    names = [name.lower() for name in _PARAMETER.findall(_QUOTED.sub("", disposition))]
    if len(names) != len(set(names)):
        raise refused("the content-disposition of a part says something twice")
    if "filename*" in names and "filename" not in names:
        # RFC 7578 section 4.2: not to be used. Read as a field, it would be a file for whoever looked at it before us.
        raise refused("a part of the form has filename* in place of filename")


def _decode(value: bytearray, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise refused(f"the field {name!r} is not UTF-8") from None


def _told(error: ValueError) -> str:
    reason = error.args[0] if error.args else error  # the rest, if any, is for programmers
    return f"the form cannot be read: {str(reason)[:200]}"
