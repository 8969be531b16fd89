"""Where pools listen: private, kept open, and gone at the end."""

import os
import socket
import stat

from penstock.supervisor.pool_sockets import PoolSockets


def test_each_pool_has_a_socket_that_only_this_user_reaches() -> None:
    sockets = PoolSockets()
    sockets.open("reports")
    sockets.open("reports")
    sockets.open("mail")
    path = sockets.places["reports"]
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        (listening,) = sockets.of("reports")
        listening.socket.accept()[0].close()
    sockets.close("mail")
    assert list(sockets.places) == ["reports"]
    sockets.close_all()
    assert not os.path.exists(os.path.dirname(path))


def test_without_pools_there_is_no_folder() -> None:
    sockets = PoolSockets()
    sockets.close_all()
    assert sockets.folder == ""
    assert sockets.places == {}


def test_an_upgraded_program_listens_where_the_one_before_did() -> None:
    before = PoolSockets()
    before.open("reports")
    after = PoolSockets(before.folder)
    after.open("reports", os.dup(before.descriptors["reports"]))
    assert after.places == before.places
    (listening,) = after.of("reports")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(after.places["reports"])
        listening.socket.accept()[0].close()
    after.close_all()
    before.close_all()
