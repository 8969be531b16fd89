"""A load on many WebSockets: sockets.py port echo|broadcast connections size seconds.

Echo: each sends a binary message and, when it has come back, the next. Broadcast: one of them sends a text that everybody
gets; when it has its own copy, the next. Prints a line when it is warm, waits for a line, then counts for so many seconds.
"""

import asyncio
import gc
import json
import signal
import sys
import time
from pathlib import Path

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.bench.plain_socket import binary_message, text_message

AT_ONCE = 100  # handshakes
WARM_UP = 0.5  # seconds
UNDER_WAY = 2  # broadcasts: the server has the next one when it is done with this one
PATIENCE = 60  # seconds for everything but the counting


class Load:
    """What all connections have in common."""

    def __init__(self, kind: WSMsgType, message: bytes) -> None:
        self.kind = kind
        self.message = message
        self.is_running = True
        self.wrong: list[str] = []

    def stop(self, reason: str) -> None:
        if self.is_running:
            self.wrong.append(reason)


class Listener(WSListener):
    """Counts what comes, if it is right."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.count = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.get_payload_as_bytes() != self.load.message or frame.msg_type != self.load.kind:
            self.load.stop(f"a frame of type {frame.msg_type} with {frame.payload_size} bytes")
            return
        self.count += 1

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.load.stop("disconnected")

    def speak(self) -> None:
        self.transport.send(self.load.kind, self.load.message)


class Speaker(Listener):
    """Answers whatever comes with the next message."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        load = self.load
        if frame.get_payload_as_bytes() != load.message or frame.msg_type != load.kind:
            load.stop(f"a frame of type {frame.msg_type} with {frame.payload_size} bytes")
            return
        self.count += 1
        if load.is_running:
            transport.send(load.kind, load.message)


async def connect(port: int, listeners: list[Listener]) -> None:
    for first in range(0, len(listeners), AT_ONCE):
        some = listeners[first : first + AT_ONCE]
        url = f"ws://127.0.0.1:{port}/"
        await asyncio.gather(*(ws_connect(lambda each=each: each, url) for each in some))


async def count(listeners: list[Listener], *, seconds: float) -> dict[str, object]:
    before = [listener.count for listener in listeners]
    began, used = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    counts = [listener.count - earlier for listener, earlier in zip(listeners, before, strict=True)]
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - used,
        "messages": sum(counts),
        "least": min(counts),
        "most": max(counts),
    }


async def wait_line() -> None:
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    loop.add_reader(0, arrived.set)
    await arrived.wait()
    loop.remove_reader(0)


async def run(port: int, kind: str, *, connections: int, size: int, seconds: float) -> int:
    is_echo = kind == "echo"
    load = Load(WSMsgType.BINARY, binary_message(size)) if is_echo else Load(WSMsgType.TEXT, text_message(size))
    speakers = [Speaker(load) for _ in range(connections if is_echo else 1)]
    # In the order in which the server gets to know them: the one that speaks is the last to have its copy.
    listeners = [Listener(load) for _ in range(connections - len(speakers))] + speakers
    await connect(port, listeners)
    gc.disable()
    for speaker in speakers * (1 if is_echo else UNDER_WAY):
        speaker.speak()
    await asyncio.sleep(WARM_UP)
    print("warm", flush=True)
    await wait_line()
    counted = await count(listeners, seconds=seconds)
    load.is_running = False
    print(json.dumps({**counted, "wrong": load.wrong[:3]}), flush=True)
    return 1 if load.wrong else 0


def main() -> None:
    port, kind, connections, size, seconds = sys.argv[1:]
    signal.alarm(PATIENCE + round(float(seconds)))
    sys.exit(uvloop.run(run(int(port), kind, connections=int(connections), size=int(size), seconds=float(seconds))))


main()
