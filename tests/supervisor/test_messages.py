"""What supervisor and worker say survives the way, and what is no message is refused."""

import msgspec
import pytest

from penstock.settings import Settings
from penstock.supervisor.messages import (
    Advice,
    Answer,
    Ask,
    Beat,
    ChannelError,
    Drain,
    Drained,
    Failed,
    Message,
    Ready,
    ReopenLogs,
    Serve,
    Start,
    Stop,
    decode_to_supervisor,
    decode_to_worker,
    encode,
)

START = Start(
    settings=msgspec.Raw(msgspec.json.encode(Settings())), sockets=("fd:5",), pool="default", slot=1, generation=3
)


@pytest.mark.parametrize(
    "message", [Serve(), Drain(leave_waiting=True, idle=2.0, reason="Age"), Stop(), Ask(4, "stacks"), ReopenLogs()]
)
def test_to_a_worker(message: Message) -> None:
    assert decode_to_worker(encode(message).removesuffix(b"\n")) == message


@pytest.mark.parametrize(
    "message",
    [
        Ready(lines=("a\nb",)),
        Failed(code=2, problems=(("wrong", "site.toml:3"),)),
        Beat(lag=0.5, resident=7, total=3),
        Advice(kind="Age", text="old"),
        Answer(4, [{"path": "/"}]),
        Drained(cut_off="2 requests"),
    ],
)
def test_to_the_supervisor(message: Message) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode_to_supervisor(line.removesuffix(b"\n")) == message


def test_the_settings_of_a_start_are_those_that_were_checked() -> None:
    start = decode_to_worker(encode(START).removesuffix(b"\n"))
    assert isinstance(start, Start)
    assert msgspec.json.decode(start.settings, type=Settings) == Settings()


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"type": "unheard_of"}', b'{"type": "drain"}', b"\xff"])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ChannelError, match="no message of this version"):
        decode_to_worker(line)
    with pytest.raises(ChannelError):
        decode_to_supervisor(line)
