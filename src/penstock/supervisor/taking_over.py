"""How a supervisor writes down what it has, for the program it becomes, and how that one finds it all again (SIGUSR2)."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from penstock.errors import ConfigurationError
from penstock.hosts.binds import Bind
from penstock.hosts.listener import BoundSocket, open_sockets, parse_bind
from penstock.hosts.unix_socket import OwnedFile
from penstock.server.listening import has_tls
from penstock.settings import Settings
from penstock.supervisor.generation import DEFAULT
from penstock.supervisor.slots import SlotSockets
from penstock.supervisor.upgrade import SavedPool, SavedWorker, SupervisorState
from penstock.supervisor.worker_pool import WorkerPool
from penstock.supervisor.worker_process import WorkerProcess, WorkerState

if TYPE_CHECKING:
    from penstock.supervisor.supervisor import Supervisor

logger = logging.getLogger("penstock")


def state_of(supervisor: Supervisor, *, control: int, pid_file: int) -> SupervisorState:
    """All that the next program needs. Workers that have not got ready are not in it: they end with this one."""
    return SupervisorState(
        started=supervisor.started,
        generation=supervisor.generation.number,
        number=supervisor.launcher.last_number,
        key=supervisor.launcher.key,
        sockets=supervisor.sockets.descriptors,
        workers=tuple([_saved(worker) for worker in supervisor.workers if _is_kept(worker)]),
        pools={name: _saved_pool(pool, supervisor) for name, pool in supervisor.pools.items()},
        folder=supervisor.pool_sockets.folder,
        control=control,
        pid_file=pid_file,
    )


def adopt_listeners(settings: Settings, saved: dict[str, list[int]]) -> SlotSockets:
    """The sockets of `listen`: those that were left, and new ones for places that are new.

    Places that are gone are among those that leave. A new one that cannot be had is told in the log: the others go on.
    """
    server = settings.server
    tls = has_tls(settings)
    opened: list[BoundSocket] = []
    for place in [place for place in server.listen if place not in saved]:
        try:
            opened += open_sockets([parse_bind(place)], backlog=server.backlog, tls=tls)
        except ConfigurationError as error:
            logger.error("nobody listens at %s: %s", place, error)
    sockets = SlotSockets(opened, backlog=server.backlog)
    for place, descriptors in saved.items():
        for group in _by_address([socket.socket(fileno=number) for number in descriptors]):
            bind = parse_bind(place)
            bound = BoundSocket(group[0], bind, tls=tls, file=_find_file(bind))
            sockets.adopt(bound, group[1:], is_leaving=place not in server.listen)
    return sockets


async def adopt_workers(saved: Sequence[SavedWorker]) -> list[WorkerProcess]:
    """The workers of the program before."""
    return [await _adopted(each) for each in saved]


def _find_file(bind: Bind) -> OwnedFile | None:
    """That of a Unix socket, to be removed at the end; None when somebody else has removed it."""
    try:
        return OwnedFile(bind.path) if bind.path else None
    except OSError:
        return None


def _by_address(sockets: Sequence[socket.socket]) -> Iterator[list[socket.socket]]:
    """A name may stand for several addresses; the sockets of each, that of slot 0 first."""
    groups: dict[object, list[socket.socket]] = {}
    for each in sockets:
        groups.setdefault((each.family, each.getsockname()), []).append(each)
    yield from groups.values()


def _is_kept(worker: WorkerProcess) -> bool:
    return worker.state in (WorkerState.SERVING, WorkerState.DRAINING)


def _saved(worker: WorkerProcess) -> SavedWorker:
    return SavedWorker(
        number=worker.number,
        process=worker.pid,
        channel=worker.channel_fd,
        pool=worker.pool,
        slot=worker.slot,
        generation=worker.generation,
        started=worker.started,
        is_serving=worker.state is WorkerState.SERVING,
        is_stand_in=worker.is_stand_in,
        request_limit=worker.request_limit,
        stacks=-1 if worker.stacks is None else worker.stacks.fileno(),
    )


def _saved_pool(pool: WorkerPool, supervisor: Supervisor) -> SavedPool:
    listening = -1 if pool.name == DEFAULT else supervisor.pool_sockets.descriptors[pool.name]
    return SavedPool(workers=pool.wanted, listening=listening, drained=pool.drained, recycles=dict(pool.recycles))


async def _adopted(saved: SavedWorker) -> WorkerProcess:
    worker = WorkerProcess(
        saved.number,
        pool=saved.pool,
        slot=saved.slot,
        generation=saved.generation,
        requests=saved.request_limit,
        is_stand_in=saved.is_stand_in,
    )
    state = WorkerState.SERVING if saved.is_serving else WorkerState.DRAINING
    await worker.adopt(socket.socket(fileno=saved.channel), pid=saved.process, started=saved.started, state=state)
    if saved.stacks >= 0:
        worker.stacks = os.fdopen(saved.stacks, "r+b")
    return worker
