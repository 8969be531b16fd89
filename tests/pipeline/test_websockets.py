"""What a request can ask and do about becoming a socket: `context.websockets`, `context.accept_websocket`."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from penstock import AcceptLost, AcceptOptions, Context, ContractError, HTTPError, RequestRejected, Stage, WebSocket
from penstock.testing import Client, WebSocketRefused
from tests.pipeline.subject import ask, on, open_site, run, settle


async def echo(websocket: WebSocket) -> None:
    async for message in websocket:
        await websocket.send(message)


async def refused(client: Client, path: str = "/", **handshake: Any) -> int:
    """The status with which a handshake was answered."""
    async with client:
        with pytest.raises(WebSocketRefused) as caught:
            async with client.websocket(path, **handshake):
                pass
    return caught.value.response.status


def raised_by(call: Callable[[Context], object], **handshake: Any) -> BaseException | None:
    """What `call(context)` raises in the handler of a handshake that is accepted behind it."""
    seen: list[BaseException | None] = []

    def handler(context: Context) -> None:
        try:
            call(context)
        except Exception as error:
            seen.append(error)
        else:
            seen.append(None)
        if not context.websockets.is_upgrading:
            context.accept_websocket(echo)

    async def journey() -> None:
        client = open_site(function=handler)
        async with client, client.websocket("/", **handshake) as websocket:
            await websocket.send("still there")
            assert await websocket.receive() == "still there"

    run(journey)
    return seen[0]


class TestAsking:
    def test_websockets_sw08_an_ordinary_request_is_none(self) -> None:
        def handler(context: Context) -> str:
            websockets = context.websockets
            assert (websockets.is_websocket_request, websockets.is_upgrading) == (False, False)
            assert (websockets.requested_protocols, websockets.negotiated_protocol) == (None, None)
            return "no"

        assert ask(open_site(function=handler)).body == b"no"

    def test_websockets_sw10_a_handshake_says_which_protocols_it_offers(self) -> None:
        seen: list[object] = []

        def handler(context: Context) -> None:
            websockets = context.websockets
            seen.append((websockets.is_websocket_request, websockets.requested_protocols))
            context.accept_websocket(echo, AcceptOptions("b"))
            seen.append((websockets.is_upgrading, websockets.negotiated_protocol, context.response.status))

        async def journey() -> None:
            client = open_site(function=handler)
            async with client, client.websocket("/", subprotocols=["a", "b"]) as websocket:
                assert websocket.subprotocol == "b"

        run(journey)
        assert seen == [(True, ("a", "b")), (True, "b", 101)]

    def test_a_broken_handshake_is_none_until_somebody_insists(self) -> None:
        def handler(context: Context) -> str:
            assert not context.websockets.is_websocket_request
            context.websockets.judge()
            return "never"

        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "12"}
        headers["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
        answer = ask(open_site(function=handler), headers=headers)
        assert (answer.status, answer.headers["sec-websocket-version"]) == (426, "13")

    def test_judging_an_ordinary_request_tells_people_what_it_is(self) -> None:
        answer = ask(open_site(function=lambda context: context.websockets.judge()))
        assert answer.status == 400
        assert b"WebSocket" in answer.body


class TestAccepting:
    def test_websockets_sw11_none_is_refused_before_everything_else(self) -> None:
        nothing: Any = None
        assert isinstance(raised_by(lambda context: context.accept_websocket(nothing)), TypeError)

    def test_what_cannot_be_called_is_refused(self) -> None:
        nothing: Any = 7
        assert isinstance(raised_by(lambda context: context.accept_websocket(nothing)), TypeError)

    def test_websockets_sw12_it_is_accepted_once(self) -> None:
        def twice(context: Context) -> None:
            context.accept_websocket(echo)
            context.accept_websocket(echo)

        error = raised_by(twice)
        assert isinstance(error, ContractError)
        assert "only once" in str(error)

    def test_websockets_sw19_a_failed_accept_can_be_followed_by_another(self) -> None:
        error = raised_by(lambda context: context.accept_websocket(echo, AcceptOptions("x")), subprotocols=["y"])
        assert isinstance(error, ValueError)
        assert "offered: y" in str(error)

    def test_an_origin_that_the_options_do_not_allow(self) -> None:
        options = AcceptOptions(allowed_origins=["https://a.test"])
        error = raised_by(lambda context: context.accept_websocket(echo, options), origin="https://b.test")
        assert isinstance(error, HTTPError)
        assert error.status == 403

    def test_websockets_sw15_not_in_begin(self) -> None:
        seen: list[str] = []

        def begin(context: Context) -> None:
            with pytest.raises(ContractError, match="behind BEGIN") as caught:
                context.accept_websocket(echo)
            seen.append(str(caught.value))

        assert run(lambda: refused(open_site(on(Stage.BEGIN, begin), function=lambda: "plain"))) == 200
        assert seen

    @pytest.mark.parametrize("stage", [Stage.RELEASE_STATE, Stage.LOG, Stage.END])
    def test_websockets_sw17_not_behind_the_handler(self, stage: Stage) -> None:
        def late(context: Context) -> None:
            with pytest.raises(ContractError, match="too late"):
                context.accept_websocket(echo)

        assert run(lambda: refused(open_site(on(stage, late), function=lambda: "plain"))) == 200

    def test_a_request_that_has_failed_cannot_become_one(self) -> None:
        def handler(context: Context) -> None:
            context.fail(HTTPError(409, "no"))
            with pytest.raises(ContractError, match="has failed"):
                context.accept_websocket(echo)

        assert run(lambda: refused(open_site(function=handler))) == 409

    def test_nothing_can_be_flushed_in_front_of_the_handshake(self) -> None:
        async def flushes(context: Context) -> None:
            context.accept_websocket(echo)
            with pytest.raises(ContractError, match="in front of the handshake"):
                await context.response.flush()

        async def journey() -> None:
            client = open_site(function=flushes)
            async with client, client.websocket("/") as websocket:
                await websocket.send("x")
                assert await websocket.receive() == "x"

        run(journey)

    def test_the_name_of_another_protocol_is_no_handshake(self) -> None:
        def handler(context: Context) -> None:
            with pytest.raises(RequestRejected):
                context.accept_websocket(echo)

        answer = ask(open_site(function=handler), headers={"Upgrade": "h2c", "Connection": "Upgrade"})
        assert answer.status == 200


class TestAcceptingInline:
    def test_websockets_o01_the_plan_has_passed_when_the_socket_is_there(self) -> None:
        log: list[str] = []

        async def handler(context: Context) -> None:
            websocket = await context.websockets.accept()
            log.append("socket")
            await websocket.send("hello")

        async def journey() -> None:
            client = open_site(on(Stage.END, lambda context: log.append("END")), function=handler)
            async with client:
                async with client.websocket("/") as websocket:
                    assert await websocket.receive() == "hello"
                assert client.runtime.sockets.statistics()[:4] == (1, 0, 1, 0)

        run(journey)
        assert log == ["END", "socket"]

    def test_websockets_t21_a_veto_is_told_to_whoever_waits(self) -> None:
        seen: list[str] = []

        async def handler(context: Context) -> None:
            try:
                await context.websockets.accept()
            except AcceptLost as error:
                seen.append(str(error))

        def veto(context: Context) -> None:
            context.response.status = 409

        assert run(lambda: refused(open_site(on(Stage.END, veto), function=handler))) == 409
        assert seen == ["the request was answered with 409"]

    def test_websockets_t21_an_accept_lost_that_escapes_is_no_error(self, caplog: pytest.LogCaptureFixture) -> None:
        async def handler(context: Context) -> None:
            await context.websockets.accept()

        def veto(context: Context) -> None:
            context.response.status = 409

        assert run(lambda: refused(open_site(on(Stage.END, veto), function=handler))) == 409
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []

    def test_a_failure_behind_the_accept_is_the_answer(self) -> None:
        async def handler(context: Context) -> None:
            with pytest.raises(AcceptLost, match="500"):
                await context.websockets.accept()

        def fail(context: Context) -> None:
            raise RuntimeError("no")

        assert run(lambda: refused(open_site(on(Stage.LOG, fail), function=handler))) == 500

    def test_it_is_awaited_in_the_handler_only(self) -> None:
        async def hook(context: Context) -> None:
            with pytest.raises(ContractError, match="in the handler, not in AUTHENTICATE"):
                await context.websockets.accept()

        assert run(lambda: refused(open_site(on(Stage.AUTHENTICATE, hook), function=lambda: "plain"))) == 200

    def test_it_may_be_awaited_in_a_task_of_the_handlers_own(self) -> None:
        async def handler(context: Context) -> None:
            websocket = await asyncio.create_task(context.websockets.accept())
            await websocket.send(await websocket.receive())

        async def journey() -> None:
            client = open_site(function=handler)
            async with client:
                async with client.websocket("/") as websocket:
                    await websocket.send("x")
                    assert await websocket.receive() == "x"
                await settle()
                assert client.runtime.sockets.statistics()[:4] == (1, 0, 1, 0)
                assert not client.runtime.background

        run(journey)

    def test_a_session_of_two_sockets_at_once(self) -> None:
        async def handler(context: Context) -> None:
            async for message in await context.websockets.accept():
                await context.websockets.upgrade.socket.send(message)  # type: ignore[union-attr]

        async def journey() -> None:
            client = open_site(function=handler)
            async with client, client.websocket("/") as one, client.websocket("/") as two:
                await one.send("1")
                await two.send("2")
                assert (await two.receive(), await one.receive()) == ("2", "1")
                assert client.runtime.sockets.statistics().executing == 2
                assert client.runtime.statistics().executing == 0

        run(journey)
