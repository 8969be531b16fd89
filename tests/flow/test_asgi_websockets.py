"""ASGI applications and the handshakes of WebSockets: scope, accept, and the stages around it (websockets AS-1 to AS-29, T-30)."""

import asyncio
import logging
from typing import Any

import pytest

from penstock import Context, ContractError, HTTPError, Stage
from penstock.errors import AcceptLost, WebSocketClosedError
from penstock.testing import ClientWebSocket
from tests.flow.asgi_socket_subject import (
    ACCEPT,
    CLOSE,
    HANDSHAKE,
    LOST,
    Message,
    Receive,
    Scope,
    Send,
    accepting,
    closed,
    echo,
    refusal_of,
    sockets_only,
    talk,
)
from tests.pipeline.subject import LOOPS, Recorder, ask, on, open_app, run, settle


class TestScope:
    def scope_of(self, path: str = "/", *, settings: dict[str, Any] | None = None, **opening: Any) -> Scope:
        seen: list[Scope] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(dict(scope))
            await send(ACCEPT)

        async def journey() -> None:
            site = open_app(sockets_only(application), **(settings or {}))
            async with site as client, client.websocket(path, **opening) as socket:
                await closed(socket)

        run(journey)
        return seen[0]

    def test_websockets_t30_the_scope_has_every_key_of_the_specification(self) -> None:
        scope = self.scope_of(
            "/a%20b/%C3%A9?q=%20+1", subprotocols=("one", "two"), headers={"X-One": "1", "x-two": "2"}
        )
        headers = scope.pop("headers")
        assert scope["extensions"].pop("penstock.stopping").is_set()  # the site has stopped meanwhile
        assert scope == {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/a b/é",
            "raw_path": b"/a%20b/%C3%A9",
            "query_string": b"q=%20+1",
            "root_path": "",
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 80),
            "subprotocols": ["one", "two"],
            "extensions": {"websocket.http.response": {}},
        }
        assert [pair for pair in headers if pair[0].startswith(b"x-")] == [(b"x-one", b"1"), (b"x-two", b"2")]
        assert (b"upgrade", b"websocket") in headers

    def test_without_an_offer_there_are_no_subprotocols(self) -> None:
        assert self.scope_of()["subprotocols"] == []

    def test_a_mounted_application_knows_where_it_is(self) -> None:
        scope = self.scope_of("/api/chat", settings={"at": "/api", "root_path": "/shop"})
        assert (scope["root_path"], scope["path"], scope["raw_path"]) == (
            "/shop/api",
            "/shop/api/chat",
            b"/shop/api/chat",
        )

    def test_websockets_as29_every_socket_gets_a_shallow_copy_of_the_state(self) -> None:
        states: list[dict[str, Any]] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                scope["state"].update(number=1, shared=[])
                await receive()
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
                return
            scope["state"]["number"] += 1
            scope["state"]["shared"].append("x")
            scope["headers"].append((b"x-mine", b""))
            states.append(scope["state"])
            await send(ACCEPT)

        async def journey() -> None:
            async with open_app(application) as client:
                for _ in range(2):
                    async with client.websocket("/") as socket:
                        await closed(socket)

        run(journey)
        assert states == [{"number": 2, "shared": ["x", "x"]}] * 2

    @pytest.mark.parametrize("upgrade", ["h2c", "websocket-like", ""])
    def test_another_upgrade_is_an_ordinary_request(self, upgrade: str) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": scope["type"].encode()})

        found = ask(open_app(application), headers={"connection": "upgrade", "upgrade": upgrade})
        assert (found.status, found.text) == (200, "http")

    def test_a_post_is_no_handshake(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": scope["type"].encode()})

        assert ask(open_app(application), method="POST", headers=HANDSHAKE).text == "http"


class TestHandshake:
    def test_websockets_as01_nothing_is_said_until_the_application_decides(self) -> None:
        async def journey() -> None:
            gate = asyncio.Event()
            told: list[Message] = []

            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                told.append(await receive())
                await gate.wait()
                await send(CLOSE)

            async with open_app(sockets_only(application)) as client:
                request = client.open("GET", "/", headers=HANDSHAKE)
                await settle()
                assert told == [{"type": "websocket.connect"}]
                assert (request.response_head, request.pieces) == (None, [])
                gate.set()
                await request.wait_finished()

        run(journey)

    @pytest.mark.parametrize("loop", LOOPS)
    def test_websockets_as02_a_close_before_accept_is_403_without_a_body(self, loop: str) -> None:
        told: list[Message] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({**CLOSE, "code": 4000, "reason": "no"})
            told.append(await receive())

        found = refusal_of(sockets_only(application), loop=loop)
        assert (found.status, found.body) == (403, b"")
        assert told == [LOST]

    def test_websockets_as03_headers_of_accept_are_lower_case_and_in_order(self) -> None:
        pairs = [(b"X-B", b"1"), (b"x-a", b"2"), (b"X-B", b"3"), (b"set-cookie", b"a=b")]

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({**ACCEPT, "headers": pairs})

        async def headers(socket: ClientWebSocket) -> list[tuple[str, str]]:
            return [pair for pair in socket.response_headers.items() if pair[0] in ("x-a", "x-b", "set-cookie")]

        found = talk(sockets_only(application), headers)
        assert found == [("x-b", "1"), ("x-a", "2"), ("x-b", "3"), ("set-cookie", "a=b")]

    @pytest.mark.parametrize(
        "headers",
        [
            [(b"sec-websocket-protocol", b"one")],
            [(b"Sec-WebSocket-Protocol", b"one")],
            [(b":status", b"101")],
            [("x-name", "value")],
            [(b"x-name", 1)],
            [b"x-name"],
            7,
        ],
    )
    def test_websockets_as03_headers_that_cannot_be_are_refused(
        self, headers: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({**ACCEPT, "headers": headers})

        assert refusal_of(sockets_only(application)).status == 500
        assert len(caplog.records) == 1

    def test_websockets_as04_a_subprotocol_that_was_offered(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({**ACCEPT, "subprotocol": scope["subprotocols"][1]})

        async def chosen(socket: ClientWebSocket) -> str | None:
            return socket.subprotocol

        assert talk(sockets_only(application), chosen, subprotocols=("one", "two")) == "two"

    @pytest.mark.parametrize("subprotocol", ["three", "ONE", "a b", 7, b"one"])
    def test_websockets_as04_any_other_is_an_error_and_another_accept_may_follow(self, subprotocol: Any) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            with pytest.raises((ValueError, ContractError)):
                await send({**ACCEPT, "subprotocol": subprotocol})
            await send({**ACCEPT, "subprotocol": "one"})

        async def chosen(socket: ClientWebSocket) -> str | None:
            return socket.subprotocol

        assert talk(sockets_only(application), chosen, subprotocols=("one", "two")) == "one"

    def test_websockets_as09_a_handshake_with_a_body_is_400_and_the_application_is_not_called(self) -> None:
        called: list[Scope] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            called.append(scope)

        found = ask(open_app(sockets_only(application)), headers=HANDSHAKE, body=b"data")
        assert (found.status, called) == (400, [])

    @pytest.mark.parametrize("raises", [False, True])
    def test_websockets_as10_no_decision_is_500(self, raises: bool, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            if raises:
                raise ValueError("boom")

        found = refusal_of(sockets_only(application))
        assert found.status == 500
        assert [record.levelno for record in caplog.records] == [logging.ERROR]

    @pytest.mark.parametrize("kind", ["websocket.send", "websocket.http.response.body", "http.response.start", "x"])
    def test_websockets_as13_anything_else_before_accept_is_an_error(self, kind: str) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": kind, "text": "hello", "body": b"", "status": 200})

        assert refusal_of(sockets_only(application)).status == 500

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({"sec-websocket-key": "short"}, 400),
            ({"sec-websocket-version": "12"}, 426),
            ({"connection": "keep-alive"}, 400),
        ],
    )
    def test_a_broken_handshake_is_refused_before_the_application_is_called(
        self, changes: dict[str, str], status: int
    ) -> None:
        called: list[Scope] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            called.append(scope)

        found = ask(open_app(sockets_only(application)), headers={**HANDSHAKE, **changes})
        assert (found.status, called) == (status, [])

    @pytest.mark.parametrize("loop", LOOPS)
    def test_websockets_as22_a_client_that_leaves_before_accept(
        self, loop: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def journey() -> list[Any]:
            seen: list[Any] = []

            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                await receive()
                seen.append(await receive())
                try:
                    await send(ACCEPT)
                except OSError as error:
                    seen.append(error)
                    raise

            async with open_app(sockets_only(application)) as client:
                request = client.open("GET", "/", headers=HANDSHAKE)
                await settle()
                request.disconnect()
                await settle()
                assert request.response_head is None
                assert client.runtime.statistics().disconnected == 1
            return seen

        seen = run(journey, loop)
        assert seen[0] == LOST
        assert isinstance(seen[1], OSError)
        assert caplog.records == []  # a client that leaves is nobody's fault

    def test_a_receive_that_waits_in_the_handshake_gets_the_first_message(self) -> None:
        told: list[Message] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            waiting = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            await send(ACCEPT)
            told.append(await waiting)

        async def say(socket: ClientWebSocket) -> None:
            await socket.send("hello")
            await closed(socket)

        talk(sockets_only(application), say)
        assert told == [{"type": "websocket.receive", "text": "hello"}]

    @pytest.mark.parametrize("loop", LOOPS)
    def test_an_accept_by_a_task_of_the_application(self, loop: str) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            async def inner() -> None:
                await accepting(echo)(scope, receive, send)

            async with asyncio.TaskGroup() as group:
                group.create_task(inner())

        async def say(socket: ClientWebSocket) -> str | bytes:
            await socket.send("hello")
            return await socket.receive()

        assert talk(sockets_only(application), say, loop=loop) == "hello"


class TestStages:
    def test_the_rest_of_the_plan_runs_inside_the_accept(self) -> None:
        log: list[str] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            log.append("application")
            await send(ACCEPT)
            log.append("accepted")

        assert talk(sockets_only(application), closed, Recorder(log))[0] == 1000
        at = log.index("application")
        assert log[at - 1 : at + 2] == ["EXECUTE", "application", "EXECUTE+"]
        assert log[-2:] == ["END", "accepted"]
        assert "RELEASE_STATE" in log

    def test_a_module_that_answers_otherwise_makes_the_accept_fail(self, caplog: pytest.LogCaptureFixture) -> None:
        raised: list[BaseException] = []
        told: list[Message] = []

        def veto(context: Context) -> None:
            context.response.status = 409
            context.response.body = b"not now"

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await send(ACCEPT)
            except AcceptLost as error:
                raised.append(error)
                told.append(await receive())
                told.append(await receive())
                with pytest.raises(WebSocketClosedError):
                    await send(CLOSE)
                raise

        found = refusal_of(sockets_only(application), on(Stage.END, veto))
        assert (found.status, found.body) == (409, b"not now")
        assert isinstance(raised[0], OSError)
        assert told == [{"type": "websocket.connect"}, LOST]
        assert caplog.records == []

    def test_a_module_that_fails_behind_the_accept_answers_with_its_error(self) -> None:
        def fail(context: Context) -> None:
            raise HTTPError(503, "closed")

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            with pytest.raises(AcceptLost):
                await send(ACCEPT)

        assert refusal_of(sockets_only(application), on(Stage.UPDATE_CACHE, fail)).status == 503

    def test_a_module_refuses_before_the_application_is_called(self) -> None:
        def refuse(context: Context) -> None:
            raise HTTPError(401, "sign in")

        assert refusal_of(accepting(echo), on(Stage.AUTHORIZE, refuse)).status == 401
