"""How `check_host` tries WebSockets that hold back, and every end of one: closed, dropped, left by its client."""

from __future__ import annotations

import asyncio
from typing import Final

from penstock.intake.frame_transport import BINARY, CLOSE, TEXT
from penstock.request_sockets.frame_writing import encode_frame
from penstock.testing.findings import Findings
from penstock.testing.host_sockets import MASK, SHORT, OpenedSocket, upgrade_probes
from penstock.testing.recording_sink import RecordingSink

_PIECE: Final = bytes(65536)
_FRAME: Final = encode_frame(BINARY, _PIECE)
_MOST: Final = 1024  # pieces: what no host may keep for a client that does not read
_MANY: Final = 64


async def _endpoint_reads_slowly(opened: OpenedSocket, findings: Findings) -> None:
    opened.transport.pause_reading()
    for _ in range(_MANY):
        opened.under_test.send_bytes(encode_frame(BINARY, _PIECE, mask=MASK))
    await asyncio.sleep(SHORT)
    sent, come = _MANY * len(_PIECE), opened.sink.size
    findings.expect(come < sent // 2, f"{come} of {sent} bytes came behind pause_reading()")
    opened.transport.resume_reading()
    await opened.sink.wait(lambda: opened.sink.size >= sent)


async def _client_reads_slowly(opened: OpenedSocket, findings: Findings) -> None:
    count = await _fill(opened)
    if not count:
        kept = _MOST * len(_PIECE) // (1 << 20)
        findings.add(f"is_paused stayed false: {kept} MiB are kept for a client that does not read")
        opened.transport.abort()
        return
    await opened.under_test.receive()
    received = len(await opened.read(count * len(_FRAME)))
    findings.expect(received == count * len(_FRAME), f"the client received {received} bytes of {count * len(_FRAME)}")
    await opened.sink.wait_for("resume")
    findings.expect(not opened.transport.is_paused, "is_paused is true when resume_sending() is called")


async def _fill(opened: OpenedSocket) -> int:
    """Write until the transport is paused; how many pieces it took, 0 when it took them all."""
    for count in range(1, _MOST + 1):
        opened.transport.write(BINARY, _PIECE)
        await asyncio.sleep(0)
        if opened.transport.is_paused:
            return count
    return 0


async def _closed(opened: OpenedSocket, findings: Findings) -> None:
    opened.transport.write(BINARY, _PIECE)
    opened.transport.close()
    findings.expect(opened.sink.count("lose") == 0, "lose() was called before close() returned")
    drained = opened.transport.wait_drained()
    await opened.under_test.receive()
    received = len(await opened.read())
    findings.expect(
        received == len(_FRAME),
        f"of {len(_FRAME)} bytes that were written before close() the client received {received}",
    )
    opened.under_test.leave()
    await _expect_lost(opened, findings)
    if drained is not None:
        await drained


async def _dropped(opened: OpenedSocket, findings: Findings) -> None:
    opened.transport.abort()
    opened.transport.abort()
    await _expect_lost(opened, findings)
    late = RecordingSink()
    opened.transport.attach(late)
    await late.wait_for("lose")


async def _left(opened: OpenedSocket, findings: Findings) -> None:
    opened.under_test.leave()
    await _expect_lost(opened, findings)
    is_known = opened.under_test.worker_request.is_disconnected
    findings.expect(is_known, "is_disconnected is false behind lose()")
    # What is written to nobody is dropped.
    opened.transport.write(TEXT, b"late")
    opened.transport.write_control(CLOSE, b"")
    opened.transport.close()
    opened.transport.abort()


async def _expect_lost(opened: OpenedSocket, findings: Findings) -> None:
    sink = opened.sink
    await sink.wait_for("lose")
    await asyncio.sleep(SHORT)
    findings.expect(sink.count("lose") == 1, f"lose() was called {sink.count('lose')} times, not once")
    findings.expect(sink.told[-1] == ("lose",), f"{sink.told[-1]} was told behind lose()")
    drained = opened.transport.wait_drained()
    findings.expect(drained is None, "wait_drained() is not None although the connection is gone")


SOCKET_ENDINGS: Final = upgrade_probes(
    {},
    {
        "an endpoint that reads slowly": _endpoint_reads_slowly,
        "a WebSocket whose client reads slowly": _client_reads_slowly,
        "a WebSocket that is closed": _closed,
        "a WebSocket that is dropped": _dropped,
        "a WebSocket whose client leaves": _left,
    },
)
