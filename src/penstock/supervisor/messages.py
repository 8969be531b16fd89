"""What supervisor and worker say to each other: msgspec structs, each told apart by its `type`, one JSON line each."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from penstock.errors import PenstockError

# -- from the supervisor ---------------------------------------------------------------------------------------------


class Start(Struct, tag="start", frozen=True, kw_only=True):
    """The first message to a worker: all it needs to know.

    `settings` are those of the whole site file, checked. `sockets` are places as `listen` has them ("fd:5", "fcgi+fd:6"), which
    the worker has inherited. `key` signs what is told to pools: a worker of the default pool, which is told in `places` where they listen, has that from
    which the keys of all are derived, another one that of its own pool. `unavailable`, when it is not
    empty, is why this worker answers everything with 503; `retry_after` is for that answer, in seconds.
    """

    settings: msgspec.Raw
    sockets: tuple[str, ...]
    pool: str
    slot: int
    generation: int
    key: str = ""
    places: dict[str, str] = {}
    requests: int = 0
    unavailable: str = ""
    retry_after: int = 5
    log_config: str = ""


class Serve(Struct, tag="serve", frozen=True):
    """Begin to accept connections."""


class Drain(Struct, tag="drain", frozen=True, kw_only=True):
    """Accept no more, let the requests inside end, and exit.

    `leave_waiting`: connections that wait in the kernel are left to a successor. `idle` is for how many seconds connections
    that are idle are kept, in case their clients use them once more.
    """

    leave_waiting: bool
    idle: float
    reason: str = ""


class Stop(Struct, tag="stop", frozen=True):
    """Cut off what is inside, and exit."""


class Ask(Struct, tag="ask", frozen=True):
    """Answer with `Answer` of the same number: what is inside ("requests"), or what runs where ("stacks")."""

    number: int
    about: str


class ReopenLogs(Struct, tag="reopen_logs", frozen=True):
    """Open the files of logs again: they were moved."""


# -- from a worker ---------------------------------------------------------------------------------------------------


class Ready(Struct, tag="ready", frozen=True, kw_only=True):
    """Its applications have started and are warm. `lines` say what is served where, for people."""

    lines: tuple[str, ...] = ()


class Failed(Struct, tag="failed", frozen=True, kw_only=True):
    """It cannot start. `code` is the exit code: 2 for a configuration that cannot be used, 3 for what failed in starting."""

    code: int
    problems: tuple[tuple[str, str], ...] = ()
    traceback: str = ""


class Beat(Struct, tag="beat", frozen=True, kw_only=True):
    """Its event loop turns: once a second, how late (`lag`, in seconds), and what there is.

    `total` counts requests that came in, `ended` those that have left; `resident` is in bytes.
    """

    lag: float = 0.0
    resident: int = 0
    total: int = 0
    ended: int = 0
    executing: int = 0
    queued: int = 0
    failed: int = 0
    sockets: int = 0
    connections: int = 0
    background: int = 0


class Advice(Struct, tag="advice", frozen=True, kw_only=True):
    """It asks to be replaced. `kind` is a name of `recycling.Reason`, `text` for people."""

    kind: str
    text: str = ""


class Answer(Struct, tag="answer", frozen=True):
    """What was asked for with the same number."""

    number: int
    content: Any = None


class Drained(Struct, tag="drained", frozen=True, kw_only=True):
    """It is about to exit; `cut_off` is what did not end in time, in words, "" for nothing."""

    cut_off: str = ""


ToWorker: TypeAlias = Start | Serve | Drain | Stop | Ask | ReopenLogs
ToSupervisor: TypeAlias = Ready | Failed | Beat | Advice | Answer | Drained
Message: TypeAlias = ToWorker | ToSupervisor

M = TypeVar("M")

_ENCODER: Final = msgspec.json.Encoder()
_TO_WORKER: Final[msgspec.json.Decoder[ToWorker]] = msgspec.json.Decoder(ToWorker)
_TO_SUPERVISOR: Final[msgspec.json.Decoder[ToSupervisor]] = msgspec.json.Decoder(ToSupervisor)


class ChannelError(PenstockError):
    """What came over a channel is no message: the other side is of another version, or not ours."""


def encode(message: Message) -> bytes:
    """One line."""
    return _ENCODER.encode(message) + b"\n"


def decode_to_worker(line: bytes) -> ToWorker:
    """What the supervisor says. Raises ChannelError."""
    return _decode(_TO_WORKER, line)


def decode_to_supervisor(line: bytes) -> ToSupervisor:
    """What a worker says. Raises ChannelError."""
    return _decode(_TO_SUPERVISOR, line)


def _decode(decoder: msgspec.json.Decoder[M], line: bytes) -> M:
    try:
        return decoder.decode(line)
    except msgspec.MsgspecError as error:
        raise ChannelError(f"no message of this version: {error}") from error
