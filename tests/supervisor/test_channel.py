"""A channel over a real socket pair: whole messages, in order, however they are cut; garbage is passed over; the end is noticed."""

import asyncio
import logging
import socket

import pytest

from penstock.supervisor import channel
from penstock.supervisor.channel import Channel, read_start
from penstock.supervisor.messages import Ask, ChannelError, Drain, Serve, Stop, ToWorker, decode_to_worker, encode
from tests.supervisor.on_loop import on_loop
from tests.supervisor.test_messages import START


class Received:
    """An open channel, and what came over it."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[ToWorker] = asyncio.Queue()
        self.lost = asyncio.Event()
        self.channel = Channel(decode_to_worker, receive=self.messages.put_nowait, lost=self.lost.set)

    async def next(self) -> ToWorker:
        async with asyncio.timeout(5):
            return await self.messages.get()


async def open_pair() -> tuple[Received, socket.socket]:
    ours, theirs = socket.socketpair()
    received = Received()
    await received.channel.open(ours)
    return received, theirs


@on_loop
async def test_messages_come_whole_however_they_are_cut() -> None:
    received, theirs = await open_pair()
    with theirs:
        text = encode(Serve()) + encode(Drain(leave_waiting=True, idle=1.5)) + encode(Stop())
        for number in range(len(text)):
            theirs.sendall(text[number : number + 1])
            await asyncio.sleep(0)
        assert [await received.next() for _ in range(3)] == [Serve(), Drain(leave_waiting=True, idle=1.5), Stop()]


@on_loop
async def test_both_ways() -> None:
    ours, theirs = socket.socketpair()
    one, other = Received(), Received()
    await one.channel.open(ours)
    await other.channel.open(theirs)
    one.channel.send(Ask(1, "requests"))
    other.channel.send(Ask(2, "stacks"))
    assert await other.next() == Ask(1, "requests")
    assert await one.next() == Ask(2, "stacks")
    one.channel.close()
    async with asyncio.timeout(5):
        await other.lost.wait()
        await one.lost.wait()


@on_loop
async def test_what_is_no_message_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    received, theirs = await open_pair()
    with theirs, caplog.at_level(logging.WARNING, "penstock"):
        theirs.sendall(b'tail of a line": 1}\n' + encode(Serve()))
        assert await received.next() == Serve()
    assert "passed over" in caplog.text


@on_loop
async def test_a_line_without_end_cuts_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "MOST_BYTES", 1000)
    received, theirs = await open_pair()
    with theirs:
        theirs.sendall(b"x" * 2000)
        async with asyncio.timeout(5):
            await received.lost.wait()


@on_loop
async def test_nothing_is_raised_when_the_other_side_has_gone() -> None:
    received, theirs = await open_pair()
    theirs.close()
    async with asyncio.timeout(5):
        await received.lost.wait()
    received.channel.send(Serve())
    received.channel.close()


def test_the_first_message_is_read_alone() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(encode(START) + encode(Serve()))
        assert read_start(ours).slot == 1
        assert ours.recv(100) == encode(Serve())


def test_the_first_message_must_be_a_start() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(encode(Serve()))
        with pytest.raises(ChannelError, match="the first message is Serve"):
            read_start(ours)
        theirs.close()
        with pytest.raises(ChannelError, match="has gone"):
            read_start(ours)
