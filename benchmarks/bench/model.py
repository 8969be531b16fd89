"""The vocabulary of the bench: what is asked, who is asked, what is counted and what it must reach."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.bench.processes import RunningServer


class BenchError(Exception):
    """Something could not be measured: a server that does not start, a wrong answer, a load that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What is compared. A ratio is ours by theirs: at least the target where more is better, at most it elsewhere."""

    unit: str
    more_is_better: bool


REQUESTS = Metric(unit="requests/s", more_is_better=True)
EVENTS = Metric(unit="events/s", more_is_better=True)
P99 = Metric(unit="ms at p99", more_is_better=False)
MEMORY = Metric(unit="MB resident", more_is_better=False)
PER_CONNECTION = Metric(unit="KB per connection", more_is_better=False)
MESSAGES = Metric(unit="messages/s", more_is_better=True)
DELIVERIES = Metric(unit="deliveries/s", more_is_better=True)
PER_SOCKET = Metric(unit="KB per socket", more_is_better=False)
COST = Metric(unit="CPU µs per request", more_is_better=False)
START = Metric(unit="ms to first answer", more_is_better=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and the exact answer to it; of an endless answer, its beginning.

    With an opcode, those of a WebSocket: `body` is sent as a message of that type and comes back as `expected`.
    """

    expected: bytes
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    tls: bool = False
    endless: bool = False
    opcode: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a server is started.

    In `command`, `{python}` is the interpreter of `venv` ("ours" or "peers"), `{port}` the port, `{work}` the folder
    with applications, sites, files and certificate, and `{conf}` the rendered `template` from benchmarks/servers.
    `without` is the same server without what is to be measured, which is then the difference in processor time.
    """

    name: str
    venv: str
    command: tuple[str, ...]
    template: str = ""
    without: "Recipe | None" = None

    @property
    def shown(self) -> str:
        """The command line, without the places of one machine."""
        part = {"python": "python", "port": "PORT", "work": "benchmarks", "conf": f"benchmarks/servers/{self.template}"}
        return " ".join(self.command).format_map(part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run. Times of the server are those of all its processes; shares are parts of one core."""

    value: float
    requests: int = 0
    seconds: float = 0.0
    cpu_us: float | None = None  # of the server, per request
    server_share: float | None = None
    load_share: float | None = None  # of the load generator
    details: dict[str, float] = field(default_factory=dict)


Launch = Callable[[], AbstractContextManager[RunningServer]]


class Load(Protocol):
    """Starts a server with `launch`, puts a load on it and counts. Raises BenchError if any answer was wrong."""

    def measure(self, launch: Launch, exchange: Exchange, *, seconds: float) -> Sample: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A server to be compared with, and the ratios that are due. `load` and `exchange`: where they differ from ours.

    One of ours (its recipe's venv says so) is run in each variant, and each variant is compared with its like. Of the
    rivals of one family, the forms in which one server can be run, the best one counts.
    """

    recipe: Recipe
    pure: float
    compiled: float
    aim: float | None = None
    family: str = ""
    load: Load | None = None
    exchange: Exchange | None = None

    @property
    def is_ours(self) -> bool:
        return self.recipe.venv == "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of the table."""

    name: str
    title: str
    metric: Metric
    load: Load
    exchange: Exchange
    ours: Recipe
    rivals: tuple[Rival, ...]
    rounds: int = 0  # at least so many, where one is quick and noisy
