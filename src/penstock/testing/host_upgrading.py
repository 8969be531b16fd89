"""How `check_host` tries WebSockets: the 101, frames both ways, and the rules that hold for what a client sends."""

from __future__ import annotations

import asyncio
from typing import Final

from penstock.errors import ContractError
from penstock.http.deflate_offers import DeflateParameters
from penstock.http.messages import ResponseHead
from penstock.intake.frame_transport import BINARY, CLOSE, CONTINUATION, TEXT, UpgradeTerms
from penstock.request_sockets.frame_writing import encode_frame
from penstock.testing.findings import Findings
from penstock.testing.host_answering import expect_answer, head, send
from penstock.testing.host_sockets import KEY, MASK, SHORT, OpenedSocket, UpgradeUnderTest, upgrade_probes

_ACCEPT: Final = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3: the example


async def _answers(under_test: UpgradeUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    added = ResponseHead(101, [(b"x-first", b"1"), (b"content-length", b"5"), (b"connection", b"close")])
    transport = request.upgrade(added, UpgradeTerms(KEY, subprotocol="chat", keepalive_interval=0))
    findings.expect(transport is not None, "upgrade() gave None although the client is there")
    findings.expect(request.has_sent_all, "has_sent_all is false behind upgrade()")
    received = await under_test.receive()
    findings.expect(received.status == 101, f"the client received status {received.status}, not 101")
    fields = dict(received.headers)
    wanted = {b"sec-websocket-accept": _ACCEPT, b"sec-websocket-protocol": b"chat", b"x-first": b"1"}
    for name, value in wanted.items():
        found = fields.get(name)
        findings.expect(found == value, f"the 101 has {name.decode()}: {found!r}, not {value!r}")
    for name, word in ((b"upgrade", b"websocket"), (b"connection", b"upgrade")):
        found = fields.get(name, b"")
        findings.expect(found.lower() == word, f"the 101 has {name.decode()}: {found!r}, not {word!r}")
    findings.expect(b"content-length" not in fields, "the 101 has a content-length (RFC 9110 section 8.6)")


async def _refuses_wrong_heads(under_test: UpgradeUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    try:
        request.upgrade(ResponseHead(101, [(b"x-bad", b"a\r\nb: c")]), UpgradeTerms(KEY))
    except ContractError:
        await send(request, head(500), b"sorry", more=False)
        expect_answer(await under_test.receive(), findings, status=500, body=b"sorry")
    else:
        findings.add("a line break in a field of a 101 was accepted: ContractError, and nothing is sent")


async def _left_before(under_test: UpgradeUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    gone = asyncio.Event()
    request.on_disconnect(gone.set)
    under_test.leave()
    await gone.wait()
    transport = request.upgrade(ResponseHead(101, []), UpgradeTerms(KEY))
    findings.expect(transport is None, "upgrade() gave a transport although the client has left: None")


async def _early_frames(under_test: UpgradeUnderTest, findings: Findings) -> None:
    under_test.send_bytes(_masked(TEXT, b"early"))
    await asyncio.sleep(SHORT)
    opened = OpenedSocket.open(under_test, findings)
    if opened is None:
        return
    under_test.send_bytes(_masked(TEXT, b"later"))
    await opened.sink.wait(lambda: opened.sink.count("message") == 2)
    wanted = [("message", "early"), ("message", "later")]
    findings.expect(opened.sink.told == wanted, f"the sink was told {opened.sink.told}, not {wanted}")


async def _frames_that_come(opened: OpenedSocket, findings: Findings) -> None:
    sink = opened.sink
    frames = _masked(TEXT, b"text") + _masked(BINARY, b"bytes") + _masked(CLOSE, b"\x03\xe8bye")
    for byte in frames:
        opened.under_test.send_bytes(bytes([byte]))
    await sink.wait_for("close")
    wanted = [("message", "text"), ("message", b"bytes"), ("close", 1000, "bye")]
    findings.expect(sink.told == wanted, f"the sink was told {sink.told}, not {wanted}")


async def _frames_that_leave(opened: OpenedSocket, findings: Findings) -> None:
    opened.transport.write(TEXT, b"he", fin=False)
    opened.transport.write(CONTINUATION, b"llo")
    opened.transport.write_control(CLOSE, b"\x03\xe8")
    wire = b"\x01\x02he\x80\x03llo\x88\x02\x03\xe8"
    await opened.under_test.receive()
    received = await opened.read(len(wire))
    findings.expect(received == wire, f"the client received the frames {received!r}, not {wire!r}")


async def _compressed(under_test: UpgradeUnderTest, findings: Findings) -> None:
    opened = OpenedSocket.open(under_test, findings, deflate=DeflateParameters())
    if opened is None:
        return
    # RFC 7692 section 7.2.3.1: the example.
    under_test.send_bytes(encode_frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv1=True, mask=MASK))
    await opened.sink.wait_for_any()
    told = opened.sink.told
    findings.expect(told == [("message", "Hello")], f"a compressed 'Hello' was told as {told}")
    agreed = dict((await under_test.receive()).headers).get(b"sec-websocket-extensions", b"")
    findings.expect(agreed.startswith(b"permessage-deflate"), f"the 101 has sec-websocket-extensions: {agreed!r}")
    opened.transport.write(TEXT, b"Hello")
    opened.transport.write(TEXT, b"plain", compress=False)
    opened.transport.close()
    frames = await opened.read()
    findings.expect(frames[:1] == b"\xc1", f"a compressed message begins with {frames[:1]!r}, not with RSV1 (RFC 7692)")
    plain = frames[-7:]
    findings.expect(plain == b"\x81\x05plain", f"a message that shall not be compressed ends in {plain!r}")


async def _without_a_mask(opened: OpenedSocket, findings: Findings) -> None:
    opened.under_test.send_bytes(encode_frame(TEXT, b"without a mask") + _masked(TEXT, b"late"))
    await _expect_failure(opened, 1002, findings)


async def _too_long(under_test: UpgradeUnderTest, findings: Findings) -> None:
    opened = OpenedSocket.open(under_test, findings, max_message_size=10)
    if opened is not None:
        under_test.send_bytes(_masked(TEXT, b"x" * 11) + _masked(TEXT, b"late"))
        await _expect_failure(opened, 1009, findings)


async def _expect_failure(opened: OpenedSocket, code: int, findings: Findings) -> None:
    await opened.sink.wait_for_any()
    await asyncio.sleep(SHORT)
    told = opened.sink.told
    findings.expect(told == [("fail", code)], f"it was told as {told}, not as one failure with {code}")


def _masked(opcode: int, payload: bytes) -> bytes:
    return encode_frame(opcode, payload, mask=MASK)


UPGRADING: Final = upgrade_probes(
    {
        "a WebSocket handshake": _answers,
        "a 101 that HTTP does not allow": _refuses_wrong_heads,
        "a handshake whose client has left": _left_before,
        "frames right behind a handshake": _early_frames,
        "compressed messages": _compressed,
        "a message that is too long": _too_long,
    },
    {
        "frames that come": _frames_that_come,
        "frames that leave": _frames_that_leave,
        "a frame without a mask": _without_a_mask,
    },
)
