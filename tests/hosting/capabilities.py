"""This file is the table of what hosts can do in docs/hosting.md, made of the facts of a run; as a program it writes it anew."""

import sys
import tempfile
from pathlib import Path

from tests.hosting.facts import FACTS
from tests.hosting.hosts import ALL, ROOT
from tests.hosting.recordings import Recordings

PAGE = ROOT / "docs" / "hosting.md"
BEGIN, END = "<!-- capabilities -->\n", "<!-- /capabilities -->\n"


def table_of(recordings: Recordings) -> str:
    """One line for each fact, one column for each host."""
    found = [recordings.of(host).facts for host in ALL]
    lines = [["", *ALL], ["---"] * (len(ALL) + 1)]
    lines += [[name, *(facts[name] for facts in found)] for name in FACTS]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def table_on_the_page() -> str:
    """What stands there now. Raises ValueError where the marks are missing."""
    text = PAGE.read_text(encoding="utf-8")
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = table_of(Recordings(Path(folder)))
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text.replace(BEGIN + table_on_the_page(), BEGIN + table), encoding="utf-8")
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
