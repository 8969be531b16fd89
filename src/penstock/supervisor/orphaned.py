"""What becomes of a worker whose supervisor was killed: it drains; and one whose event loop is stuck, and cannot, ends all the same."""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
import time


def end_with_supervisor(end: socket.socket, patience: float) -> None:
    """Watch `end`, this side of the channel, from a thread: when the other side has gone, the process ends `patience` seconds later.

    Until then it may drain and end by itself, which is what the event loop does when it turns. Nobody else would end a process
    that is stuck: who watched it is dead.
    """
    if sys.platform != "win32":
        # A descriptor of its own: the loop closes the other one, and its number may be something else's then.
        watched = os.dup(end.fileno())
        threading.Thread(target=_wait, args=(watched, patience), name="penstock-orphaned", daemon=True).start()


def _wait(watched: int, patience: float) -> None:
    if sys.platform != "win32":
        poll = select.poll()
        poll.register(watched, 0)  # nothing but POLLHUP and POLLERR, which are told without being asked for
        poll.poll()
    time.sleep(patience)
    os._exit(1)
