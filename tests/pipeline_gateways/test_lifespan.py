"""The lifespan of an ASGI application, by the letter of the protocol."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from penstock import StartupError
from penstock.pipeline_gateways.asgi import AsgiGateway
from penstock.pipeline_gateways.lifespan import Lifespan
from tests.pipeline.subject import run, settle


def make(application: Callable[..., Any]) -> tuple[Lifespan, AsgiGateway]:
    gateway = AsgiGateway(application)
    return Lifespan(gateway, "ASGI shop:app"), gateway


class TestStarting:
    def test_it_waits_for_the_answer_and_hands_the_state_over(self) -> None:
        async def journey() -> None:
            gate = asyncio.Event()

            async def application(scope: Any, receive: Any, send: Any) -> None:
                assert scope["type"] == "lifespan"
                await receive()
                scope["state"]["pool"] = "open"
                await gate.wait()
                await send({"type": "lifespan.startup.complete"})
                await receive()

            lifespan, gateway = make(application)
            starting = asyncio.create_task(lifespan.start())
            await settle()
            assert not starting.done()
            gate.set()
            await starting
            assert gateway.state == {"pool": "open"}
            await lifespan.stop()

        run(journey)

    @pytest.mark.parametrize("message", [{}, {"message": ""}, {"message": "no database"}])
    def test_a_failure_is_told_by_name(self, message: dict[str, str]) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", **message})

        lifespan, gateway = make(application)
        with pytest.raises(StartupError) as caught:
            run(lifespan.start)
        assert "ASGI shop:app failed to start" in str(caught.value)
        assert (message.get("message") or "lifespan.startup.failed") in str(caught.value)
        assert gateway.state is None

    def test_what_is_raised_behind_the_failure_is_its_cause(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "see above"})
            raise OSError("no database")

        with pytest.raises(StartupError) as caught:
            run(make(application)[0].start)
        assert isinstance(caught.value.__cause__, OSError)

    @pytest.mark.parametrize("error", [NotImplementedError(), AssertionError(), KeyError("path"), RuntimeError()])
    def test_whoever_raises_before_the_answer_does_not_support_it(self, error: Exception) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            raise error

        async def journey() -> None:
            lifespan, gateway = make(application)
            await lifespan.start()
            assert gateway.state is None
            await lifespan.stop()

        run(journey)

    def test_a_plain_function_that_raises_does_not_support_it_either(self) -> None:
        def application(scope: Any, receive: Any, send: Any) -> Any:
            raise RuntimeError("only http")

        async def journey() -> None:
            lifespan, _ = make(application)
            await lifespan.start()
            await lifespan.stop()

        run(journey)

    def test_one_that_is_cancelled_does_not_hang_the_start(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            raise asyncio.CancelledError

        async def journey() -> None:
            lifespan, _ = make(application)
            await lifespan.start()
            await lifespan.stop()

        run(journey)

    def test_a_message_of_another_protocol_is_refused(self) -> None:
        refused: list[BaseException] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            try:
                await send({"type": "http.response.start", "status": 200})
            except RuntimeError as error:
                refused.append(error)
            await send({"type": "lifespan.startup.complete"})
            await receive()

        async def journey() -> None:
            lifespan, _ = make(application)
            await lifespan.start()
            await lifespan.stop()

        run(journey)
        assert "http.response.start" in str(refused[0])


class TestStopping:
    def test_it_waits_for_the_answer(self) -> None:
        async def journey() -> None:
            gate = asyncio.Event()

            async def application(scope: Any, receive: Any, send: Any) -> None:
                await receive()
                await send({"type": "lifespan.startup.complete"})
                assert await receive() == {"type": "lifespan.shutdown"}
                await gate.wait()
                await send({"type": "lifespan.shutdown.complete"})

            lifespan, _ = make(application)
            await lifespan.start()
            stopping = asyncio.create_task(lifespan.stop())
            await settle()
            assert not stopping.done()
            gate.set()
            await stopping

        run(journey)

    def test_an_application_that_returns_instead_of_answering_has_stopped(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()

        async def journey() -> None:
            lifespan, _ = make(application)
            await lifespan.start()
            await lifespan.stop()
            await lifespan.stop()

        run(journey)

    @pytest.mark.parametrize("message", ["", "disk full"])
    def test_a_failure_is_logged(self, message: str, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": message})

        async def journey() -> None:
            lifespan, _ = make(application)
            await lifespan.start()
            await lifespan.stop()

        run(journey)
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert f"ASGI shop:app failed to stop: {message}" in record.getMessage()

    def test_an_exception_at_the_end_is_logged_with_its_traceback(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            raise OSError("disk full")

        async def journey() -> None:
            lifespan, _ = make(application)
            await lifespan.start()
            await lifespan.stop()

        run(journey)
        (record,) = caplog.records
        assert record.exc_info

    def test_an_application_that_never_answers_is_cut_off(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await asyncio.Event().wait()

        async def journey() -> None:
            lifespan = Lifespan(AsgiGateway(application), "ASGI shop:app", stop_timeout=0.01)
            await lifespan.start()
            await lifespan.stop()

        run(journey)
        (record,) = caplog.records
        assert record.getMessage() == "ASGI shop:app did not answer lifespan.shutdown within 0.01 s: cut off"

    def test_what_never_started_needs_no_stop(self) -> None:
        run(make(lambda *_: None)[0].stop)

    def test_an_application_that_lingers_behind_its_answer_is_ended(self) -> None:
        ended: list[bool] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        async def journey() -> None:
            lifespan, _ = make(application)
            await lifespan.start()
            await lifespan.stop()

        run(journey)
        assert ended == [True]
