"""This file is the test of the two accept adapters of OWIN (websockets sections 2.2 and 2.5; T-18 to T-25)."""

import asyncio
import contextvars
import gc
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import pytest

from penstock.errors import AcceptLost, ConnectionLost, ContractError, WebSocketDisconnect
from penstock.request_sockets.options import AcceptOptions
from penstock.request_sockets.owin_accept import DeferredAcceptAdapter, InlineAcceptAdapter
from penstock.request_sockets.owin_options import NATIVE_OPTIONS, OwinAcceptContext
from penstock.request_sockets.owin_token import CancellationToken
from penstock.request_sockets.websocket import WebSocket, WebSocketState
from tests.pipeline.subject import run, settle
from tests.request_sockets.owin_subject import Application, DeferredServer, InlineServer, OwinPeer, layer

CLOSED = (8, True, b"")


def accepting(then: Callable[[WebSocket], Awaitable[None]], context: Any = None) -> Application:
    async def application(environment: Any) -> None:
        await then(await environment["websocket.AcceptAlt"](context))

    return application


async def nothing(websocket: WebSocket) -> None:
    pass


def served(application: Application, *, refusal: Exception | None = None, around: Any = None) -> DeferredServer:
    """A server that has served one handshake; what went wrong there is raised."""

    async def journey() -> DeferredServer:
        server = DeferredServer(OwinPeer(), refusal=refusal)
        adapter: Application = InlineAcceptAdapter(application)
        server.environment["status"] = await server.serve(adapter if around is None else around(adapter))
        return server

    return run(journey)


class TestInlineOnDeferred:
    def test_websockets_t18_co2_o3_inline_on_deferred_trace(self) -> None:
        trace: list[str] = []

        async def application(environment: Any) -> None:
            trace.append("app.start")
            await environment["websocket.AcceptAlt"](None)
            trace.append("app.got")
            await asyncio.sleep(0)
            trace.append("app.end")

        async def journey() -> None:
            server = DeferredServer(OwinPeer(CLOSED), trace)
            inner = InlineAcceptAdapter(layer("I", trace, application))
            assert await server.serve(layer("O", trace, inner)) == 101

        run(journey)
        expected = "O.in I.in app.start accept-recorded O.out server.101 app.got app.end I.out"
        assert trace == expected.split()

    @pytest.mark.parametrize("environment", [{}, {"websocket.Accept": "str"}])
    def test_websockets_co1_what_is_no_handshake_passes(self, environment: dict[str, Any]) -> None:
        async def journey() -> None:
            task = asyncio.ensure_future(asyncio.sleep(0))
            adapter: Any = InlineAcceptAdapter(lambda _: task)
            assert adapter(environment) is task
            assert "websocket.AcceptAlt" not in environment
            await task

        run(journey)

    def test_websockets_t19_co3_inline_on_deferred_declined(self) -> None:
        async def application(environment: Any) -> None:
            environment["owin.ResponseStatusCode"] = 404

        server = served(application)
        assert server.environment["status"] == 404
        assert server.callback is None

    def test_websockets_t19_co4_inline_on_deferred_failed(self) -> None:
        async def application(environment: Any) -> None:
            raise ValueError("before accepting")

        with pytest.raises(ValueError, match="before accepting"):
            served(application)

    def test_websockets_t19_co5_inline_on_deferred_cancelled(self) -> None:
        async def application(environment: Any) -> None:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            served(application)

    def test_websockets_t20_co6_inline_on_deferred_failure_after_accept(self) -> None:
        async def fail(websocket: WebSocket) -> None:
            raise ValueError("in the socket")

        server = served(accepting(fail))
        assert server.environment["status"] == 101
        assert repr(server.socket_error) == "ValueError('in the socket')"
        assert server.peer.sent == [("close", 1011, "")]

    @pytest.mark.parametrize("error", [WebSocketDisconnect(1001), ConnectionLost("gone")])
    def test_the_end_of_a_client_is_no_failure_of_the_application(self, error: Exception) -> None:
        async def end(websocket: WebSocket) -> None:
            raise error

        assert served(accepting(end)).socket_error is None

    @pytest.mark.parametrize("is_caught", [True, False])
    def test_websockets_t21_co12_inline_on_deferred_veto(
        self, is_caught: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        caught: list[BaseException] = []

        async def application(environment: Any) -> None:
            try:
                await environment["websocket.AcceptAlt"](None)
            except AcceptLost as error:
                caught.append(error)
                if not is_caught:
                    raise

        def veto(inner: Application) -> Application:
            async def call(environment: Any) -> None:
                await inner(environment)
                environment["owin.ResponseStatusCode"] = 403

            return call

        async def journey() -> None:
            server = DeferredServer(OwinPeer())
            assert await server.serve(veto(InlineAcceptAdapter(application))) == 403
            await settle()
            assert len(asyncio.all_tasks()) == 1

        with caplog.at_level(logging.DEBUG, "penstock"):
            run(journey)
        assert len(caught) == 1
        assert [record.levelno for record in caplog.records if record.name == "penstock"] == (
            [] if is_caught else [logging.DEBUG]
        )

    def test_websockets_t21_failure_outside(self) -> None:
        caught: list[BaseException] = []

        async def application(environment: Any) -> None:
            try:
                await environment["websocket.AcceptAlt"](None)
            except AcceptLost as error:
                caught.append(error)

        def fail(inner: Application) -> Application:
            async def call(environment: Any) -> None:
                await inner(environment)
                raise ValueError("outside")

            return call

        async def journey() -> None:
            with pytest.raises(ValueError, match="outside"):
                await DeferredServer(OwinPeer()).serve(fail(InlineAcceptAdapter(application)))
            await settle()
            assert len(asyncio.all_tasks()) == 1

        run(journey)
        assert len(caught) == 1

    def test_an_application_that_fails_behind_a_veto_is_logged_as_an_error(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def application(environment: Any) -> None:
            try:
                await environment["websocket.AcceptAlt"](None)
            finally:
                raise ValueError("cleaning up")

        def veto(inner: Application) -> Application:
            async def call(environment: Any) -> None:
                await inner(environment)
                environment["owin.ResponseStatusCode"] = 403

            return call

        async def journey() -> None:
            await DeferredServer(OwinPeer()).serve(veto(InlineAcceptAdapter(application)))
            await settle()

        run(journey)
        assert "an OWIN application failed behind its answer" in caplog.text
        assert "cleaning up" in caplog.text

    def test_websockets_t23_co8_server_accept_raises(self) -> None:
        async def application(environment: Any) -> None:
            try:
                await environment["websocket.AcceptAlt"](None)
            except RuntimeError:
                environment["owin.ResponseStatusCode"] = 409

        server = served(application, refusal=RuntimeError("headers were sent"))
        assert server.environment["status"] == 409

    def test_websockets_sw19_a_failed_accept_may_be_followed_by_another(self) -> None:
        server: Any = None

        async def application(environment: Any) -> None:
            server.refusal = ValueError("not offered")
            with pytest.raises(ValueError, match="not offered"):
                await environment["websocket.AcceptAlt"](AcceptOptions("p1"))
            server.refusal = None
            assert (await environment["websocket.AcceptAlt"](None)).subprotocol is None

        async def journey() -> None:
            nonlocal server
            server = DeferredServer(OwinPeer(CLOSED))
            assert await server.serve(InlineAcceptAdapter(application)) == 101
            assert server.socket_error is None

        run(journey)

    def test_websockets_co10_the_subprotocol_is_the_one_asked_for(self) -> None:
        found = []

        async def look(websocket: WebSocket) -> None:
            found.append(websocket.subprotocol)

        server = served(accepting(look, AcceptOptions("p2")))
        assert (server.options, found) == ({"websocket.SubProtocol": "p2"}, ["p2"])

    def test_headers_of_an_accept_are_added_to_those_of_the_response(self) -> None:
        server = served(accepting(nothing, AcceptOptions(headers={"X-Room": "blue"})))
        assert server.environment["owin.ResponseHeaders"] == {"x-room": ["blue"]}
        assert server.options is None

    def test_websockets_co11_a_second_call_of_the_callback_gives_the_same_task(self) -> None:
        got: list[WebSocket] = []

        async def keep(websocket: WebSocket) -> None:
            got.append(websocket)
            await websocket.receive()

        async def journey() -> None:
            first, second = OwinPeer((1, True, b"hello")), OwinPeer()
            server = DeferredServer(first)
            await InlineAcceptAdapter(accepting(keep))(server.environment)
            assert server.callback is not None
            tasks = [server.callback(first.environment), server.callback(second.environment)]
            assert tasks[0] is tasks[1]
            first.say(CLOSED)
            await tasks[0]
            assert second.calls == []

        run(journey)
        assert len(got) == 1

    def test_websockets_co13_a_second_accept_is_refused(self) -> None:
        server: Any = None

        async def again(websocket: WebSocket) -> None:
            with pytest.raises(ContractError, match="once per request"):
                await server.environment["websocket.AcceptAlt"](None)

        async def journey() -> None:
            nonlocal server
            server = DeferredServer(OwinPeer(CLOSED))
            await server.serve(InlineAcceptAdapter(accepting(again)))
            assert server.socket_error is None

        run(journey)

    def test_an_accept_behind_the_answer_is_lost(self) -> None:
        kept: list[Any] = []

        async def application(environment: Any) -> None:
            kept.append(environment["websocket.AcceptAlt"])

        async def journey() -> None:
            await DeferredServer(OwinPeer()).serve(InlineAcceptAdapter(application))
            with pytest.raises(AcceptLost, match="ended already"):
                await kept[0](None)

        run(journey)

    def test_a_socket_without_its_delegates_fails_both(self) -> None:
        caught: list[BaseException] = []

        async def application(environment: Any) -> None:
            try:
                await environment["websocket.AcceptAlt"](None)
            except KeyError as error:
                caught.append(error)
                raise

        async def journey() -> None:
            peer = OwinPeer()
            del peer.environment["websocket.CloseAsync"]
            server = DeferredServer(peer)
            await server.serve(InlineAcceptAdapter(application))
            assert isinstance(server.socket_error, KeyError)

        run(journey)
        assert [error.args for error in caught] == [("websocket.CloseAsync",)]

    def test_what_cannot_be_called_is_refused(self) -> None:
        for adapter in (InlineAcceptAdapter, DeferredAcceptAdapter):
            with pytest.raises(TypeError, match="None cannot be called"):
                adapter(None)  # type: ignore[arg-type]


class TestGate:
    """Step 6 waits until the application has a task (websockets O-14, PY-1)."""

    def test_websockets_t22_py1_accept_called_synchronously_before_task_exists(self) -> None:
        trace: list[str] = []

        async def application(environment: Any) -> None:
            websocket = await environment["websocket.AcceptAlt"](None)
            trace.append("got")
            with pytest.raises(WebSocketDisconnect):
                await websocket.receive()

        def eager(environment: Any) -> Awaitable[None]:
            return Begun(application(environment))

        async def journey() -> None:
            server = DeferredServer(OwinPeer(CLOSED), trace)
            assert await server.serve(InlineAcceptAdapter(eager)) == 101
            assert server.socket_error is None

        run(journey)
        assert trace == ["accept-recorded", "server.101", "got"]

    @pytest.mark.parametrize("is_real", [True, False])
    def test_websockets_t22_eager_task_factory(self, is_real: bool) -> None:
        async def application(environment: Any) -> None:
            websocket = await environment["websocket.AcceptAlt"](None)
            with pytest.raises(WebSocketDisconnect):
                await websocket.receive()

        async def journey() -> None:
            # Python 3.11 has none of its own: there, both are the one below.
            factory = getattr(asyncio, "eager_task_factory", eager_task_factory) if is_real else eager_task_factory
            asyncio.get_running_loop().set_task_factory(factory)
            server = DeferredServer(OwinPeer(CLOSED))
            assert await server.serve(InlineAcceptAdapter(application)) == 101
            assert server.socket_error is None

        run(journey)

    def test_websockets_co7_a_plain_application_that_raises(self) -> None:
        parked: list[asyncio.Future[Any]] = []

        def application(environment: Any) -> Awaitable[None]:
            parked.append(asyncio.ensure_future(environment["websocket.AcceptAlt"](None)))
            raise ValueError("at once")

        async def journey() -> None:
            with pytest.raises(ValueError, match="at once"):
                await DeferredServer(OwinPeer()).serve(InlineAcceptAdapter(application))
            with pytest.raises(ValueError, match="at once"):
                await parked[0]

        run(journey)

    def test_websockets_co7_stop_iteration(self) -> None:
        def application(environment: Any) -> Awaitable[None]:
            raise StopIteration("strange")

        with pytest.raises(RuntimeError):
            served(application)


class TestCancelling:
    def test_websockets_py3_before_the_accept_the_application_sees_it_first(self) -> None:
        trace: list[str] = []

        async def application(environment: Any) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(0)
                trace.append("application")
                raise

        async def journey() -> None:
            task = asyncio.ensure_future(DeferredServer(OwinPeer()).serve(InlineAcceptAdapter(application)))
            await settle()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            trace.append("server")

        run(journey)
        assert trace == ["application", "server"]

    def test_websockets_py2_behind_the_accept_only_the_signal_ends_it(self) -> None:
        caught: list[BaseException] = []

        async def application(environment: Any) -> None:
            try:
                await environment["websocket.AcceptAlt"](None)
            except BaseException as error:
                caught.append(error)

        def slow(inner: Application) -> Application:
            async def call(environment: Any) -> None:
                await inner(environment)
                await asyncio.sleep(60)

            return call

        async def journey() -> None:
            server = DeferredServer(OwinPeer())
            task = asyncio.ensure_future(server.serve(slow(InlineAcceptAdapter(application))))
            await settle()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await settle()

        run(journey)
        assert [type(error) for error in caught] == [AcceptLost]

    def test_a_server_that_cancels_the_callback_cancels_the_application(self) -> None:
        caught: list[BaseException] = []

        async def wait(websocket: WebSocket) -> None:
            try:
                await websocket.receive()
            except asyncio.CancelledError as error:
                caught.append(error)
                raise

        async def journey() -> None:
            server = DeferredServer(OwinPeer())
            await InlineAcceptAdapter(accepting(wait))(server.environment)
            assert server.callback is not None
            running = asyncio.ensure_future(server.callback(server.peer.environment))
            await settle()
            running.cancel()
            server.peer.say(CLOSED)
            with pytest.raises(asyncio.CancelledError):
                await running
            assert server.peer.sent == [("close", 1001, "")]

        run(journey)
        assert len(caught) == 1

    def test_websockets_py4_no_exception_is_left_behind(self, recwarn: pytest.WarningsRecorder) -> None:
        unraised: list[Any] = []

        async def fail(websocket: WebSocket) -> None:
            raise ValueError("in the socket")

        async def journey() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, found: unraised.append(found))
            await DeferredServer(OwinPeer(CLOSED)).serve(InlineAcceptAdapter(accepting(fail)))
            gc.collect()
            await settle()

        run(journey)
        assert unraised == []

    def test_websockets_py5_context_variables_set_inside_are_seen_behind_the_accept(self) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")
        found = []

        async def application(environment: Any) -> None:
            variable.set("inside")
            await environment["websocket.AcceptAlt"](None)
            found.append(variable.get())

        async def journey() -> None:
            await DeferredServer(OwinPeer(CLOSED)).serve(InlineAcceptAdapter(application))
            found.append(variable.get())

        run(journey)
        assert found == ["inside", "outside"]

    def test_an_application_that_stops_waiting_for_its_socket_goes_on_without_one(self) -> None:
        async def application(environment: Any) -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await environment["websocket.AcceptAlt"](None)

        server = served(application)
        assert (server.environment["status"], server.socket_error) == (101, None)
        assert server.peer.calls == []


def callback_of(trace: list[str]) -> Callable[[Any], Awaitable[None]]:
    async def callback(socket: Any) -> None:
        trace.append("callback")

    return callback


def deferring(callback: Callable[[Any], Awaitable[None]], options: Any = None) -> Application:
    async def application(environment: Any) -> None:
        environment["websocket.Accept"](options, callback)

    return application


async def idle(socket: Any) -> None:
    pass


class TestDeferredOnInline:
    def test_websockets_t25_co31_co32_co33_deferred_on_inline_trace(self) -> None:
        trace: list[str] = []

        async def application(environment: Any) -> None:
            trace.append("app.accept")
            environment["websocket.Accept"](None, callback_of(trace))
            assert environment["owin.ResponseStatusCode"] == 101
            assert trace[-1] == "app.accept"  # websockets CO-31: nothing but that

        async def journey() -> None:
            server = InlineServer(trace)
            server.transport.answers_close = True
            adapter = DeferredAcceptAdapter(layer("I", trace, application))
            await layer("O", trace, adapter)(server.environment)
            assert server.closes == [b"\x03\xe8"]

        run(journey)
        assert trace == ["O.in", "I.in", "app.accept", "I.out", "native-101", "callback", "O.out"]

    @pytest.mark.parametrize("environment", [{}, {"websocket.AcceptAlt": "str"}])
    def test_websockets_co30_what_is_no_handshake_passes(self, environment: dict[str, Any]) -> None:
        async def application(environment: Any) -> None:
            assert "websocket.Accept" not in environment

        async def journey() -> None:
            await DeferredAcceptAdapter(application)(environment)

        run(journey)

    def test_websockets_t25_co34_veto(self) -> None:
        trace: list[str] = []

        async def application(environment: Any) -> None:
            environment["websocket.Accept"](None, callback_of(trace))
            environment["owin.ResponseStatusCode"] = 403

        async def journey() -> None:
            server = InlineServer(trace)
            await DeferredAcceptAdapter(application)(server.environment)
            assert server.environment["owin.ResponseStatusCode"] == 403

        run(journey)
        assert trace == []

    def test_websockets_t25_co39_callback_error_cleans_up(self) -> None:
        async def fail(socket: Any) -> None:
            raise ValueError("in the callback")

        async def journey() -> None:
            server = InlineServer()
            with pytest.raises(ValueError, match="in the callback"):
                await DeferredAcceptAdapter(deferring(fail))(server.environment)
            assert server.closes == [b"\x03\xf3"]  # 1011
            assert server.transport.ending == "aborted"
            assert server.websocket.state is WebSocketState.ABORTED

        run(journey)

    @pytest.mark.parametrize(
        ("state", "closes"),
        [
            (WebSocketState.OPEN, [b"\x03\xe8"]),
            (WebSocketState.CLOSE_SENT, [b"\x03\xe9"]),
            (WebSocketState.CLOSE_RECEIVED, [b"\x03\xea"]),
            (WebSocketState.CLOSED, [b"\x03\xe9"]),
            (WebSocketState.ABORTED, []),
        ],
    )
    def test_websockets_co46_ka25_nothing_half_open_is_left(self, state: WebSocketState, closes: list[bytes]) -> None:
        """DV-6: what Katana aborts is closed politely."""

        async def bring(socket: Any) -> None:
            if state in (WebSocketState.CLOSE_SENT, WebSocketState.CLOSED):
                await socket["websocket.CloseAsync"](1001, "")
            if state is WebSocketState.CLOSED:
                await settle()
            if state is WebSocketState.CLOSE_RECEIVED:
                server.websocket.take_close(1002, "")
            if state is WebSocketState.ABORTED:
                server.websocket.abort()
            assert server.websocket.state is state

        server: Any = None

        async def journey() -> None:
            nonlocal server
            server = InlineServer()
            server.transport.answers_close = True
            await DeferredAcceptAdapter(deferring(bring))(server.environment)
            assert server.websocket.state in (WebSocketState.CLOSED, WebSocketState.ABORTED)
            assert server.closes == closes

        run(journey)

    def test_a_callback_that_is_cancelled_closes_with_1001(self) -> None:
        async def wait(socket: Any) -> None:
            await asyncio.sleep(60)

        async def journey() -> None:
            server = InlineServer()
            server.transport.answers_close = True
            running = asyncio.ensure_future(DeferredAcceptAdapter(deferring(wait))(server.environment))
            await settle()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert server.closes == [b"\x03\xe9"]

        run(journey)

    def test_the_end_of_a_client_is_no_failure_of_the_callback(self) -> None:
        async def lose(socket: Any) -> None:
            raise ConnectionLost("gone")

        async def journey() -> None:
            server = InlineServer()
            server.transport.answers_close = True
            await DeferredAcceptAdapter(deferring(lose))(server.environment)
            assert server.closes == [b"\x03\xe8"]

        run(journey)

    def test_websockets_co35_a_status_101_set_by_hand(self) -> None:
        async def application(environment: Any) -> None:
            environment["owin.ResponseStatusCode"] = 101

        async def journey() -> None:
            with pytest.raises(ContractError, match=r"call websocket\.Accept"):
                await DeferredAcceptAdapter(application)(InlineServer().environment)

        run(journey)

    def test_websockets_co36_neither_two_callbacks_nor_none(self) -> None:
        trace: list[str] = []

        async def application(environment: Any) -> None:
            accept = environment["websocket.Accept"]
            with pytest.raises(TypeError, match="None cannot be called"):
                accept(None, None)
            with pytest.raises(TypeError, match="a dict or None, not 'int'"):
                accept(1, callback_of(trace))
            accept(None, callback_of(trace))
            with pytest.raises(ContractError, match="once per request"):
                accept(None, idle)

        async def journey() -> None:
            server = InlineServer()
            server.transport.answers_close = True
            await DeferredAcceptAdapter(application)(server.environment)

        run(journey)
        assert trace == ["callback"]

    def test_websockets_co38_the_socket_is_cancelled_with_the_call(self) -> None:
        found: list[CancellationToken] = []

        async def callback(socket: Any) -> None:
            found.append(socket["websocket.CallCancelled"])

        async def journey() -> None:
            server = InlineServer()
            server.transport.answers_close = True
            await DeferredAcceptAdapter(deferring(callback))(server.environment)
            server.token.cancel()
            assert found[0].is_cancelled

        run(journey)

    def test_websockets_co40_an_application_that_fails_behind_its_accept(self) -> None:
        trace: list[str] = []

        async def application(environment: Any) -> None:
            environment["websocket.Accept"](None, callback_of(trace))
            raise ValueError("behind it")

        async def journey() -> None:
            with pytest.raises(ValueError, match="behind it"):
                await DeferredAcceptAdapter(application)(InlineServer(trace).environment)

        run(journey)
        assert trace == []

    def test_websockets_t24_co37_options_mapping(self) -> None:
        """websockets CO-37."""
        native = AcceptOptions("p")

        async def context_for(options: Any, headers: dict[str, list[str]] | None = None) -> Any:
            server = InlineServer()
            server.transport.answers_close = True
            server.environment["owin.ResponseHeaders"] = headers
            await DeferredAcceptAdapter(deferring(idle, options))(server.environment)
            return server.contexts[0]

        async def journey() -> None:
            assert await context_for(None) is None
            wrapped = await context_for({"websocket.SubProtocol": "p"})
            assert isinstance(wrapped, OwinAcceptContext)
            assert wrapped.subprotocol == "p"
            assert await context_for({NATIVE_OPTIONS: native}) is native
            assert await context_for({NATIVE_OPTIONS: "something else"}) is None
            headers = {"Sec-WebSocket-Protocol": ["aA"]}
            assert (await context_for(None, headers)).subprotocol == "aA"
            assert headers == {}

        run(journey)

    @pytest.mark.parametrize("status", [101, 200])
    def test_the_accept_of_the_host_can_be_used_inside(self, status: int) -> None:
        got: list[WebSocket] = []

        async def application(environment: Any) -> None:
            got.append(await environment["websocket.AcceptAlt"](None))
            environment["owin.ResponseStatusCode"] = status
            with pytest.raises(ContractError, match="once per request"):
                environment["websocket.Accept"](None, idle)

        async def journey() -> None:
            server = InlineServer()
            await DeferredAcceptAdapter(application)(server.environment)
            assert got == [server.websocket]

        run(journey)

    def test_a_host_that_offers_both_is_left_alone(self) -> None:
        async def journey() -> None:
            server = InlineServer()
            server.environment["websocket.Accept"] = idle
            before = dict(server.environment)
            await DeferredAcceptAdapter(idle)(server.environment)
            assert server.environment == before

        run(journey)

    def test_both_adapters_in_one_another_change_nothing(self) -> None:
        """An inline application in an OWIN section of an inline host."""
        trace: list[str] = []

        async def application(environment: Any) -> None:
            trace.append("app.start")
            await environment["websocket.AcceptAlt"](None)
            trace.append("app.got")

        async def journey() -> None:
            server = InlineServer(trace)
            server.transport.answers_close = True
            await DeferredAcceptAdapter(InlineAcceptAdapter(application))(server.environment)

        run(journey)
        assert trace == ["app.start", "native-101", "app.got"]


class Begun:
    """A coroutine that has run up to its first suspension already, as a task of an eager factory has."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine
        self.pending: Any = None
        self.ended: StopIteration | None = None
        try:
            self.pending = coroutine.send(None)
        except StopIteration as end:
            self.ended = end

    def __await__(self) -> Generator[Any, Any, Any]:
        if self.ended is not None:
            return self.ended.value
        pending = self.pending
        while True:
            try:
                sent = yield pending
            except BaseException as error:
                pending = self.coroutine.throw(error)
                continue
            try:
                pending = self.coroutine.send(sent)
            except StopIteration as end:
                return end.value


def eager_task_factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """That of Python 3.12, in so far as a task's first step runs before whoever made it has the task."""

    async def rest(begun: Begun) -> Any:
        return await begun

    return asyncio.Task(rest(Begun(coroutine)), loop=loop, **options)
