"""This file is what a host did in this run: its answers to every exchange, and the facts about what it can do."""

from dataclasses import dataclass
from pathlib import Path

from tests.hosting.answers import Comparable, ask, unpacked
from tests.hosting.exchanges import EXCHANGES
from tests.hosting.facts import facts_of
from tests.hosting.hosts import HOSTS, MEMORY, ask_in_memory


@dataclass(frozen=True, slots=True)
class Recording:
    """The answers by the names of their exchanges, and the facts by theirs."""

    answers: dict[str, Comparable]
    facts: dict[str, str]


class Recordings:
    """Each host is started once, asked everything, and stopped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Recording] = {}

    def of(self, host: str) -> Recording:
        if host not in self._made:
            self._made[host] = self._make(host)
        return self._made[host]

    def _make(self, host: str) -> Recording:
        folder = self._folder / "".join(letter for letter in host if letter.isalnum())
        if host == MEMORY:
            told = ask_in_memory(folder)
            answers = {name: unpacked(answer) for name, answer in told["answers"].items()}  # type: ignore[arg-type]
            return Recording(answers, {name: str(fact) for name, fact in told["facts"].items()})
        with HOSTS[host](folder) as address:
            answers = {name: ask(address, exchange) for name, exchange in EXCHANGES.items()}
            return Recording(answers, facts_of(address))
