"""The sockets of slots: one each at TCP places, shared ones elsewhere, and open as long as somebody may have connected."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.hosts.listener import BoundSocket, open_sockets, parse_bind
from penstock.supervisor.slots import SlotSockets


def open_slots(*places: str) -> SlotSockets:
    return SlotSockets(open_sockets([parse_bind(place) for place in places], backlog=64), backlog=64)


@pytest.fixture
def sockets() -> Iterator[SlotSockets]:
    opened = open_slots("127.0.0.1:0")
    yield opened
    opened.close()


def accept_all(sockets: list[socket.socket]) -> list[int]:
    """How many connections wait at each."""
    found = []
    for each in sockets:
        number = 0
        while True:
            try:
                each.accept()[0].close()
            except BlockingIOError:
                break
            number += 1
        found.append(number)
    return found


def test_each_slot_has_a_socket_of_its_own_and_the_kernel_spreads(sockets: SlotSockets) -> None:
    own = [sockets.of_slot(slot, 2) for slot in (0, 1)]
    assert [len(each) for each in own] == [1, 1]
    address = own[0][0].socket.getsockname()
    assert own[1][0].socket.getsockname() == address
    clients = [socket.create_connection(address) for _ in range(60)]
    counts = accept_all([each[0].socket for each in own])
    assert sum(counts) == 60
    assert min(counts) > 10
    for client in clients:
        client.close()


def test_a_slot_has_the_same_socket_every_time(sockets: SlotSockets) -> None:
    assert sockets.of_slot(1, 3) == sockets.of_slot(1, 3)


def test_slot_0_accepts_for_slots_that_are_gone(sockets: SlotSockets) -> None:
    three = [sockets.of_slot(slot, 3)[0] for slot in range(3)]
    assert sockets.of_slot(0, 1) == three
    assert sockets.of_slot(0, 2) == [three[0], three[2]]
    assert sockets.of_slot(2, 3) == [three[2]]


def test_a_second_server_is_refused_as_without_slots(sockets: SlotSockets) -> None:
    sockets.of_slot(0, 3)
    port = sockets.bound[0].socket.getsockname()[1]
    with pytest.raises(ConfigurationError, match="already in use"):
        open_sockets([parse_bind(f"127.0.0.1:{port}")])


def test_unix_sockets_and_descriptors_are_shared(tmp_path: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    sockets = open_slots(f"unix:{tmp_path}/s", f"fcgi+fd:{listening.detach()}")
    first, second = (sockets.of_slot(slot, 2) for slot in (0, 1))
    assert first == second
    assert [each.place.partition(":")[0] for each in first] == ["fd", "fcgi+fd"]
    sockets.close()
    assert not (tmp_path / "s").exists()


def test_places_change_and_old_ones_close_when_nobody_needs_them(sockets: SlotSockets) -> None:
    (before,) = sockets.bound
    opened = open_sockets([parse_bind("127.0.0.1:0 ".strip())])
    sockets.change(opened, [before.bind.text])
    assert sockets.bound == opened
    assert before.socket.fileno() >= 0
    sockets.close_leaving()
    assert before.socket.fileno() < 0


def test_a_change_can_be_taken_back(sockets: SlotSockets, tmp_path: Path) -> None:
    (before,) = sockets.bound
    opened = open_sockets([parse_bind(f"unix:{tmp_path}/s")])
    sockets.change(opened, [before.bind.text])
    sockets.undo(opened)
    assert sockets.bound == [before]
    assert opened[0].socket.fileno() < 0


def test_an_upgraded_program_finds_all_of_them_again(sockets: SlotSockets) -> None:
    for slot in range(3):
        sockets.of_slot(slot, 3)
    ((text, descriptors),) = sockets.descriptors.items()
    assert len(descriptors) == 3
    found = [socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) for number in descriptors]
    adopted = SlotSockets((), backlog=64)
    adopted.adopt(BoundSocket(found[0], parse_bind(text), tls=False), found[1:], is_leaving=False)
    assert [adopted.of_slot(slot, 3)[0].socket.fileno() for slot in range(3)] == [each.fileno() for each in found]
    adopted.close()
