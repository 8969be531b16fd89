"""How a line of the access log looks: formats by name, and those that people bring from gunicorn and Apache.

Rule for editors: what a client has sent never reaches a line as it is. Everything but printable ASCII is escaped, and so
are quotes and backslashes, as Apache does it: no line breaks, no terminal commands, no marks that turn text around
(bad-input row 46).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from time import localtime
from typing import Final

from penstock.errors import ConfigurationError, Problem
from penstock.settings.names import suggest

Fields = list[tuple[bytes, bytes]]

# What is known of a request that was answered: client (host, port), method, target as received, version ("1.1"), status,
# bytes of body sent, seconds it took, request headers (names lower-case), response headers (the last may be ":status", such
# as "404.7 by Filtering@BEGIN": a substatus is for logs, pipeline X-11), time of day when it was answered (seconds since 1970),
# name of the principal ("" = nobody). A plain tuple, for it is made on the way of a request.
AccessRecord = tuple[tuple[str, int | None] | None, str, bytes, str, int, int, float, Fields, Fields, float, str]

Line = Callable[[AccessRecord], str]
_Atom = Callable[[AccessRecord], object]

NAMES: Final = ("auto", "combined", "common", "json", "readable")

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ODD: Final = re.compile(r"[^ !#-\[\]-~]")
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PIECE: Final = re.compile(r"%\(([^)]*)\)(-?\d*)[sd]|%%|%")
_REMEMBERED: Final = 1024


def compile_format(text: str, *, colour: bool = False, where: str = "") -> Line:
    """The function that makes a line (without its end) of a record.

    `text` is "combined" (which "auto" is off a terminal), "common", "json", "readable" (with `colour` for terminals) or a
    format of atoms such as `%(h)s "%(r)s" %(s)s`. Raises ConfigurationError for a name or an atom that does not exist.
    """
    if text == "readable":
        return _readable_in_colour if colour else _readable
    named = _NAMED.get(text)
    if named is not None:
        return named
    if "%" not in text:
        message = f'the access log has no format "{text}"{suggest(text, NAMES)}; a format string holds atoms like %(h)s'
        raise ConfigurationError([Problem(message, where)])
    return _compile_atoms(text, where)


# -- pieces ------------------------------------------------------------------------------------------------------------


def _clean(value: bytes) -> str:
    text = value.decode("latin-1")
    return _ODD.sub(_escape, text) if _ODD.search(text) else text


def _clean_text(text: str) -> str:
    return text if text.isascii() and not _ODD.search(text) else _clean(text.encode("utf-8", "surrogatepass"))


def _escape(odd: re.Match[str]) -> str:
    character = odd[0]
    return _SHORT.get(character) or f"\\x{ord(character):02x}"


class _Remembered(dict[bytes, str]):
    """Clean forms of values that come again and again, such as the name of a browser."""

    def __missing__(self, value: bytes) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[value] = text = _clean(value)
        return text


class _Days(dict[int, str]):
    """The time of day in one notation, computed once a second."""

    def __init__(self, notation: Callable[[int], str]) -> None:
        super().__init__()
        self._notation = notation

    def __missing__(self, second: int) -> str:
        if len(self) >= 16:
            self.clear()
        self[second] = text = self._notation(second)
        return text


def _in_apache(second: int) -> str:
    # Not strftime: the names of the months are English whatever the locale.
    at = localtime(second)
    day = f"{at.tm_mday:02d}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year:04d}"
    return f"[{day}:{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} {_zone(at.tm_gmtoff)}]"


def _in_iso(second: int) -> str:
    at = localtime(second)
    return f"{at.tm_year:04d}-{at.tm_mon:02d}-{at.tm_mday:02d}T{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}"


def _iso_zone(second: int) -> str:
    zone = _zone(localtime(second).tm_gmtoff)
    return f"{zone[:3]}:{zone[3:]}"


def _on_the_clock(second: int) -> str:
    at = localtime(second)
    return f"{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}"


def _zone(offset: int) -> str:
    sign, minutes = "-" if offset < 0 else "+", abs(offset) // 60
    return f"{sign}{minutes // 60:02d}{minutes % 60:02d}"


_apache = _Days(_in_apache)
_iso = _Days(_in_iso)
_iso_zones = _Days(_iso_zone)
_clock = _Days(_on_the_clock)
_known = _Remembered()


def _substatus(headers: Fields) -> bytes:
    return headers[-1][1] if headers and headers[-1][0] == b":status" else b""


def _find(fields: Fields, name: bytes) -> bytes | None:
    for key, value in fields:
        if key == name:
            return value
    return None


# -- formats by name ---------------------------------------------------------------------------------------------------


def _common(record: AccessRecord) -> str:
    client, method, target, version, status, size, _, _, _, at, principal = record
    host = client[0] if client else "-"
    user = _clean_text(principal) if principal else "-"
    return f'{host} - {user} {_apache[int(at)]} "{method} {_clean(target)} HTTP/{version}" {status} {size or "-"}'


def _combined(record: AccessRecord) -> str:
    referer, agent = "-", "-"
    for name, value in record[7]:
        if name == b"user-agent":
            agent = _known[value]
        elif name == b"referer":
            referer = _clean(value)
    return f'{_common(record)} "{referer}" "{agent}"'


def _json(record: AccessRecord) -> str:
    client, method, target, version, status, size, seconds, request, headers, at, principal = record
    second = int(at)
    host = f'"{client[0]}"' if client else "null"
    substatus = _substatus(headers)
    more = f',"substatus":{_quoted(substatus)}' if substatus else ""
    user = encode_basestring_ascii(principal) if principal else "null"
    return (
        f'{{"time":"{_iso[second]}.{int((at - second) * 1000):03d}{_iso_zones[second]}","client":{host},"user":{user},'
        f'"method":"{method}","target":{_quoted(target)},"version":"{version}","status":{status},"bytes":{size},'
        f'"seconds":{seconds:.6f},"host":{_quoted(_find(request, b"host"))},"referer":{_quoted(_find(request, b"referer"))},'
        f'"user_agent":{_quoted(_find(request, b"user-agent"))}'
        f"{more}}}"
    )


def _quoted(value: bytes | None) -> str:
    return "null" if value is None else encode_basestring_ascii(value.decode("utf-8", "backslashreplace"))


def _readable(record: AccessRecord) -> str:
    client, method, target, _, status, size, seconds, _, headers, at, principal = record
    host = client[0] if client else "-"
    line = f"{_clock[int(at)]}  {status}  {method:<7} {_clean(target):<40} {_duration(seconds):>9} {_size(size):>9}  {host}"
    if substatus := _substatus(headers):
        line = f"{line}  {_clean(substatus)}"
    return f"{line}  {_clean_text(principal)}" if principal else line


def _readable_in_colour(record: AccessRecord) -> str:
    line = _readable(record)
    # Time and status stand at the front and have a fixed width.
    return f"\x1b[2m{line[:8]}\x1b[0m  \x1b[{_COLOURS.get(record[4] // 100, '0')}m{line[10:13]}\x1b[0m{line[13:]}"


# green for success, cyan for elsewhere, yellow for the client's fault, bold red for ours
_COLOURS: Final = {2: "32", 3: "36", 4: "33", 5: "1;31"}


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s"


def _size(size: int) -> str:
    if size < 1000:
        return f"{size} B"
    if size < 1_000_000:
        return f"{size / 1000:.1f} kB"
    return f"{size / 1_000_000:.1f} MB"


_NAMED: Final[dict[str, Line]] = {"auto": _combined, "combined": _combined, "common": _common, "json": _json}


# -- atoms: the names are gunicorn's -------------------------------------------------------------------------------------


def _compile_atoms(text: str, where: str) -> Line:
    atoms: list[_Atom] = []
    problems: list[Problem] = []
    template = ""
    position = 0
    for piece in _PIECE.finditer(text):
        template += text[position : piece.start()]
        position = piece.end()
        if piece[0] == "%%":
            template += "%%"
            continue
        found = _atom(piece[1], text[position:])
        if isinstance(found, str):
            problems.append(Problem(found, where))
        else:
            atoms.append(found)
            template += f"%{piece[2]}s"
    if problems:
        raise ConfigurationError(problems)
    template += text[position:]
    return lambda record: template % tuple([atom(record) for atom in atoms])


def _atom(name: str | None, rest: str) -> _Atom | str:
    """The atom called `name`, or what is wrong with it; `rest` is the format behind it."""
    if name is None:
        meant = rest[:1] if rest[:1] in _ATOMS else "h"
        return (
            f"the access log format has a % that begins no atom: write %({meant})s for an atom, %% for a percent sign"
        )
    if name in _ATOMS:
        return _ATOMS[name]
    if name.startswith("{") and name[-2:] in ("}i", "}o"):
        return _header(name[1:-2].strip().lower().encode("latin-1", "replace"), 7 if name.endswith("i") else 8)
    if name.startswith("{") and name.endswith("}e"):
        return f"the access log format has %({name})s, a variable of WSGI: headers are %({{name}}i)s and %({{name}}o)s"
    known = " ".join(_ATOMS)
    nearest = suggest(name, _ATOMS) or f"; it knows {known} {{header}}i {{header}}o"
    return f'the access log has no atom "{name}"{nearest}'


def _header(name: bytes, index: int) -> _Atom:
    def value(record: AccessRecord) -> str:
        fields: Fields = record[7] if index == 7 else record[8]
        found = _find(fields, name)
        return "-" if found is None else _clean(found)

    return value


def _request_line(record: AccessRecord) -> str:
    return f"{record[1]} {_clean(record[2])} HTTP/{record[3]}"


_ATOMS: Final[dict[str, _Atom]] = {
    "h": lambda record: record[0][0] if record[0] else "-",
    "l": lambda _: "-",
    "u": lambda record: _clean_text(record[10]) if record[10] else "-",
    "t": lambda record: _apache[int(record[9])],
    "r": _request_line,
    "m": lambda record: record[1],
    "U": lambda record: _clean(record[2].partition(b"?")[0]),
    "q": lambda record: _clean(record[2].partition(b"?")[2]),
    "H": lambda record: f"HTTP/{record[3]}",
    "s": lambda record: record[4],
    "S": lambda record: _clean(_substatus(record[8])) or record[4],
    "b": lambda record: record[5] or "-",
    "B": lambda record: record[5],
    "f": _header(b"referer", 7),
    "a": _header(b"user-agent", 7),
    "T": lambda record: int(record[6]),
    "M": lambda record: int(record[6] * 1_000),
    "D": lambda record: int(record[6] * 1_000_000),
    "L": lambda record: f"{record[6]:.6f}",
    "p": lambda _: f"<{os.getpid()}>",
}
