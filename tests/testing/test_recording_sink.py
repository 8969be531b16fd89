"""A sink that remembers, and can be waited for."""

import asyncio

from penstock.intake.frame_transport import TEXT
from penstock.testing.recording_sink import RecordingSink
from tests.pipeline.subject import run


def test_what_was_told() -> None:
    sink = RecordingSink()
    sink.take_message("Käse")
    sink.take_message(b"12")
    sink.take_part(TEXT, b"345", False)
    sink.take_ping(b"a")
    sink.take_pong(b"b")
    sink.take_close(1000, "bye")
    sink.fail(1002, "why")
    sink.resume_sending()
    sink.lose(None)
    assert sink.told == [
        ("message", "Käse"),
        ("message", b"12"),
        ("part", TEXT, b"345", False),
        ("ping", b"a"),
        ("pong", b"b"),
        ("close", 1000, "bye"),
        ("fail", 1002),
        ("resume",),
        ("lose",),
    ]
    assert sink.size == 9
    assert (sink.count("message"), sink.count("other")) == (2, 0)


def test_waiting() -> None:
    async def journey() -> None:
        sink = RecordingSink()
        any_, pong = asyncio.ensure_future(sink.wait_for_any()), asyncio.ensure_future(sink.wait_for("pong"))
        sink.take_ping(b"")
        await any_
        assert not pong.done()
        sink.take_pong(b"")
        await pong
        await sink.wait_for("ping")

    run(journey)
