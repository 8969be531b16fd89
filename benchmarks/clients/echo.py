"""Echo on many WebSockets: echo.py port sockets size seconds.

Each sends a message and, when it has come back, the next. Prints a line when it is warm, waits for a line, then counts for so
many seconds.
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

from benchmarks.bench.plain_socket import binary_message

WARM_UP = 0.5  # seconds
PATIENCE = 60  # seconds for everything but the counting


class Load:
    """What all sockets have in common."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.is_running = True
        self.wrong: list[str] = []

    def stop(self, reason: str) -> None:
        if self.is_running:
            self.wrong.append(reason)


class Speaker(WSListener):
    """Answers its own message, when it has come back, with the next."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.count = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        load = self.load
        if frame.get_payload_as_bytes() != load.message or frame.msg_type != WSMsgType.BINARY:
            load.stop(f"a frame of type {frame.msg_type} with {frame.payload_size} bytes")
            return
        self.count += 1
        if load.is_running:
            transport.send(WSMsgType.BINARY, load.message)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.load.stop("disconnected")


async def measure(speakers: list[Speaker], *, seconds: float) -> dict[str, object]:
    before = [speaker.count for speaker in speakers]
    began, used = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    counts = [speaker.count - earlier for speaker, earlier in zip(speakers, before, strict=True)]
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


async def run(port: int, sockets: int, *, size: int, seconds: float) -> int:
    load = Load(binary_message(size))
    speakers = [Speaker(load) for _ in range(sockets)]
    for speaker in speakers:
        await ws_connect(lambda speaker=speaker: speaker, f"ws://127.0.0.1:{port}/")
    gc.disable()
    for speaker in speakers:
        speaker.transport.send(WSMsgType.BINARY, load.message)
    await asyncio.sleep(WARM_UP)
    print("warm", flush=True)
    await wait_line()
    counted = await measure(speakers, seconds=seconds)
    load.is_running = False
    print(json.dumps(counted), flush=True)
    if load.wrong:
        print(*load.wrong[:3], file=sys.stderr)
    return 1 if load.wrong else 0


def main() -> None:
    port, sockets, size, seconds = sys.argv[1:]
    signal.alarm(PATIENCE + round(float(seconds)))
    sys.exit(uvloop.run(run(int(port), int(sockets), size=int(size), seconds=float(seconds))))


main()
