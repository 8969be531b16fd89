"""How files go out, where there is no sendfile: piece by piece. The other way is tested over real sockets."""

import asyncio
import os
from pathlib import Path

import pytest

from penstock.errors import ClientGone
from penstock.hosts.file_sender import FileSender
from tests.hosts.wired import GET, Wired, turn


@pytest.fixture
def descriptor(tmp_path: Path) -> int:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 100_000)
    return os.open(path, os.O_RDONLY)


def test_piece_by_piece_over_tls(descriptor: int) -> None:
    async def check() -> None:
        wired = await Wired(scheme="https").begin()
        wired.receive(GET)
        wired.connection.pause_writing()
        sending = asyncio.ensure_future(
            FileSender(wired.runtime.loop).send(wired.connection, b"head:", descriptor, 5, 600_000)
        )
        await turn()
        assert len(wired.transport.written) == 5 + 256 * 1024  # then it waits for the client
        wired.connection.resume_writing()
        await sending
        assert wired.transport.written == b"head:" + (b"5678901234" * 60_000)

    asyncio.run(check())
    os.close(descriptor)


def test_client_that_leaves(descriptor: int) -> None:
    async def check() -> None:
        wired = await Wired(scheme="https").begin()
        wired.connection.pause_writing()
        sending = asyncio.ensure_future(
            FileSender(wired.runtime.loop).send(wired.connection, b"", descriptor, 0, 600_000)
        )
        await turn()
        wired.connection.connection_lost(None)
        with pytest.raises(ClientGone):
            await sending

    asyncio.run(check())
    os.close(descriptor)


def test_file_that_became_shorter_cuts_the_connection(descriptor: int) -> None:
    async def check() -> None:
        wired = await Wired(scheme="https").begin()
        with pytest.raises(ClientGone, match="shorter"):
            await FileSender(wired.runtime.loop).send(wired.connection, b"", descriptor, 999_999, 2)
        assert wired.transport.calls == ["abort"]

    asyncio.run(check())
    os.close(descriptor)


def test_socket_that_is_gone(descriptor: int) -> None:
    async def check() -> None:
        wired = await Wired().begin()
        with pytest.raises(ClientGone):
            await FileSender(wired.runtime.loop).send(wired.connection, b"", descriptor, 0, 2)

    asyncio.run(check())
    os.close(descriptor)
