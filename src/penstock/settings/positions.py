"""Where each key, table and array element of a TOML text stands, since the standard library's parser does not say."""

import tomllib
from bisect import bisect_right
from collections.abc import Iterator
from re import Pattern
from re import compile as pattern

KeyPath = tuple[str | int, ...]

_BLANK = pattern(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = pattern(r"[ \t]*")
_BARE_KEY = pattern(r"[A-Za-z0-9_-]+")
_SCALAR = pattern(r"[^,\]}#\n]*")
_STRING = pattern(
    r'"""(?:\\[\s\S]|(?!""")[^\\])*"{3,5}'
    r"|'''(?:(?!''')[\s\S])*'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
)


class Positions:
    """The lines of a *valid* TOML text, asked for by path: `("site", 0, "app", 1, "at")`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_starts = [0, *(index + 1 for index, character in enumerate(text) if character == "\n")]
        self._lines: dict[KeyPath, int] = {(): 1}
        self._tables: dict[KeyPath, int] = {}  # how many [[tables]] of an array were seen
        self._read_statements()

    def line_of(self, path: KeyPath) -> int:
        """The 1-based line of `path`, or of the nearest table around it that is written in the file."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def _read_statements(self) -> None:
        table: KeyPath = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._read_header(2)
            elif self._text[self._at] == "[":
                table = self._read_header(1)
            else:
                self._read_pair(table)

    def _read_header(self, brackets: int) -> KeyPath:
        line = self._line()
        self._at += brackets
        keys = list(self._read_keys())
        self._at += brackets
        path: KeyPath = ()
        for key in keys[:-1]:
            path = self._inside((*path, key))
            self._lines.setdefault(path, line)
        path = (*path, keys[-1])
        if brackets == 2:
            self._lines.setdefault(path, line)
            self._tables[path] = self._tables.get(path, 0) + 1
            path = self._inside(path)
        self._lines[path] = line
        return path

    def _inside(self, path: KeyPath) -> KeyPath:
        # TOML 1.0 "Array of Tables": a reference to an array of tables points to its last table
        return (*path, self._tables[path] - 1) if path in self._tables else path

    def _read_pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for key in self._read_keys():
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._at += 1  # "="
        self._read_value(path)

    def _read_keys(self) -> Iterator[str]:
        while True:
            self._skip(_SPACE)
            yield self._read_key()
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return
            self._at += 1

    def _read_key(self) -> str:
        start = self._at
        if self._text[start] not in "\"'":
            return self._text[start : self._skip(_BARE_KEY)]
        quoted = self._text[start : self._skip(_STRING)]
        return str(tomllib.loads(f"key = {quoted}")["key"])

    def _read_value(self, path: KeyPath) -> None:
        self._skip(_SPACE)
        opening = self._text[self._at]
        if opening == "[":
            self._read_array(path)
        elif opening == "{":
            self._read_inline_table(path)
        else:
            self._skip(_STRING if opening in "\"'" else _SCALAR)

    def _read_array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while self._next_element("]"):
            self._lines[(*path, index)] = self._line()
            self._read_value((*path, index))
            index += 1

    def _read_inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._next_element("}"):
            self._read_pair(path)

    def _next_element(self, closing: str) -> bool:
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)
        if self._text[self._at] != closing:
            return True
        self._at += 1
        return False

    def _skip(self, form: Pattern[str]) -> int:
        found = form.match(self._text, self._at)
        assert found is not None, "the text was checked by a TOML parser before"
        self._at = found.end()
        return self._at

    def _line(self) -> int:
        return bisect_right(self._line_starts, self._at)
