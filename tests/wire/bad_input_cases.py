"""The corpus of bad input: its files, what they may say, and how their bytes are delivered."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "bad_input"
GOOD = b"GET /good HTTP/1.1\r\nHost: example.org\r\n\r\n"
# "whole": one write. "bytes": one byte per write. "lines": a write for each CR, LF and what is between them.
# "pipelined": one write, behind a good request.
DELIVERIES = ("whole", "bytes", "lines", "pipelined")

_KEYS = {"row", "title", "source", "note", "request", "half_close", "deliveries", "expect"}
_EXPECTED = {
    "status", "close", "body", "body_prefix", "answer_optional", "before", "interim", "headers", "headers_absent", "path", "unannounced",
}  # fmt: skip
_MANY = 1500  # more writes than this show nothing new: larger requests go in larger pieces


@dataclass(frozen=True, slots=True)
class Case:
    """One file. `request` holds bytes as Latin-1 text; `{ text, times }` repeats, with {n} counting.

    status: what the last answer may have; 200 means that it must be served.
    close: whether the connection ends behind a 200 (behind an error it always does); unannounced: the 200 may be out before
    the server can know that it is the last.
    body: what is echoed behind a 200. body_prefix: what of a bad body an application may have seen, None = not even its head.
    answer_optional: the connection may end without an answer. before: how many good requests come first in the case itself.
    interim: how many 100 (Continue) there may be. headers, headers_absent, path: what the application sees, and what not.
    """

    name: str
    row: int
    title: str
    source: str
    note: str
    request: bytes
    half_close: bool
    deliveries: tuple[str, ...]
    status: tuple[int, ...]
    close: bool
    unannounced: bool
    body: bytes
    body_prefix: bytes | None
    answer_optional: bool
    before: int
    interim: int
    headers: tuple[tuple[bytes, bytes], ...]
    headers_absent: tuple[bytes, ...]
    path: str | None

    def pieces(self, delivery: str) -> Iterator[bytes]:
        """The writes that deliver this case."""
        request = self.request
        if delivery == "whole":
            yield request
        elif delivery == "pipelined":
            yield GOOD + request
        elif delivery == "bytes":
            size = len(request) // _MANY + 1
            yield from (request[start : start + size] for start in range(0, len(request), size))
        else:
            yield from self._lines()

    def _lines(self) -> Iterator[bytes]:
        pieces = re.findall(rb"\r|\n|[^\r\n]+", self.request)
        together = len(pieces) // _MANY + 1
        yield from (b"".join(pieces[start : start + together]) for start in range(0, len(pieces), together))


def unroll(parts: Any) -> bytes:
    """The bytes that a text, or a list of texts and repetitions, stands for."""
    if isinstance(parts, str):
        return parts.encode("latin-1")
    return b"".join(unroll(part) if isinstance(part, str) else _repeat(part["text"], part["times"]) for part in parts)


def _repeat(text: str, times: int) -> bytes:
    if "{n}" not in text:
        return text.encode("latin-1") * times
    return "".join(text.replace("{n}", str(n)) for n in range(times)).encode("latin-1")


def read_case(file: Path) -> Case:
    """The case in `file`. Raises AssertionError where the file says what no case can say."""
    content = tomllib.loads(file.read_text(encoding="ascii"))
    expect = content["expect"]
    assert set(content) <= _KEYS, f"{file.name}: unknown {set(content) - _KEYS}"
    assert set(expect) <= _EXPECTED, f"{file.name}: unknown {set(expect) - _EXPECTED}"
    assert file.name.startswith(f"row_{content['row']:02d}_"), f"{file.name}: not named after its row"
    assert set(content.get("deliveries", DELIVERIES)) <= set(DELIVERIES), file.name
    body = unroll(expect.get("body", ""))
    prefix = expect.get("body_prefix", None if min(expect["status"]) >= 300 else expect.get("body"))
    return Case(
        name=file.stem,
        row=content["row"],
        title=content["title"],
        source=content["source"],
        note=content.get("note", ""),
        request=unroll(content["request"]),
        half_close=content.get("half_close", False),
        deliveries=tuple(content.get("deliveries", DELIVERIES)),
        status=tuple(expect["status"]),
        close=expect.get("close", False),
        unannounced=expect.get("unannounced", content.get("half_close", False)),
        body=body,
        body_prefix=None if prefix is None else unroll(prefix),
        answer_optional=expect.get("answer_optional", False),
        before=expect.get("before", 0),
        interim=expect.get("interim", 0),
        headers=tuple((unroll(name), unroll(value)) for name, value in expect.get("headers", {}).items()),
        headers_absent=tuple(unroll(name) for name in expect.get("headers_absent", [])),
        path=expect.get("path"),
    )


@cache
def read_cases() -> tuple[Case, ...]:
    """Every case there is, by row."""
    return tuple(read_case(file) for file in sorted(FOLDER.glob("*.toml")))
