"""How evenly the kernel spreads connections among the sockets of slots: the busiest slot's share, 1.00 for an even spread.

python benchmarks/spread.py
"""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from penstock.hosts.listener import open_sockets, parse_bind
from penstock.supervisor.slots import SlotSockets

RUNS = 5
BACKLOG = 4096


def busiest_share(slots: int, connections: int) -> float:
    """Of one run: connections of the slot that has most, divided by what each would have."""
    sockets = SlotSockets(open_sockets([parse_bind("127.0.0.1:0")], backlog=BACKLOG), backlog=BACKLOG)
    listening = [sockets.of_slot(slot, slots)[0].socket for slot in range(slots)]
    address = listening[0].getsockname()
    clients = [socket.create_connection(address) for _ in range(connections)]
    counts = [count_waiting(each) for each in listening]
    for client in clients:
        client.close()
    sockets.close()
    return max(counts) / (connections / slots)


def count_waiting(listening: socket.socket) -> int:
    """Accept and close all that wait."""
    number = 0
    while True:
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return number
        number += 1


if __name__ == "__main__":
    for slots in (2, 4):
        for connections in (100, 400, 2000):
            shares = sorted(busiest_share(slots, connections) for _ in range(RUNS))
            print(f"{slots} slots, {connections} connections: {shares[RUNS // 2]:.2f} (at most {shares[-1]:.2f})")
