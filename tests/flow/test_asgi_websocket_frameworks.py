"""Whole journeys of Starlette and FastAPI applications with WebSockets, as anybody would write them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Query, WebSocket, WebSocketDisconnect, WebSocketException
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute

from penstock.server import open_client
from penstock.settings import AppSettings, LocationSettings, LogSettings, ServerSettings, Settings, SiteSettings
from penstock.settings.websocket_model import WebSocketSettings
from penstock.testing import ClientWebSocket, WebSocketRefused
from tests.flow.asgi_socket_subject import closed, talk
from tests.pipeline.subject import LOOPS, open_app, run, settle


async def echoed(socket: ClientWebSocket) -> str | bytes:
    await socket.send("hello")
    return await socket.receive()


def refused(application: Any, target: str = "/") -> WebSocketRefused:
    """The answer in place of a socket."""

    async def journey() -> WebSocketRefused:
        async with open_app(application) as client:
            with pytest.raises(WebSocketRefused) as raised:
                async with client.websocket(target):
                    pass
        return raised.value

    return run(journey)


class TestStarlette:
    @pytest.mark.parametrize("loop", LOOPS)
    def test_an_endpoint_class_is_told_of_every_turn(self, loop: str, caplog: pytest.LogCaptureFixture) -> None:
        log: list[Any] = []

        class Echo(WebSocketEndpoint):
            encoding = "text"

            async def on_connect(self, websocket: Any) -> None:
                log.append(websocket.path_params["name"])
                await websocket.accept(subprotocol=websocket.scope["subprotocols"][0], headers=[(b"x-name", b"value")])

            async def on_receive(self, websocket: Any, data: Any) -> None:
                log.append(data)
                await websocket.send_text(data.upper())

            async def on_disconnect(self, websocket: Any, close_code: int) -> None:
                log.append(close_code)

        async def conversation(socket: ClientWebSocket) -> tuple[Any, ...]:
            answer = await echoed(socket)
            await socket.close(4001)
            return answer, socket.subprotocol, socket.response_headers["x-name"]

        application = Starlette(routes=[Mount("/in", routes=[WebSocketRoute("/{name}", Echo)])])
        found = talk(application, conversation, path="/in/room", loop=loop, subprotocols=("chat",))
        assert found == ("HELLO", "chat", "value")
        assert log == ["room", "hello", 4001]
        assert caplog.records == []

    def test_a_message_of_the_wrong_kind_is_refused_by_the_endpoint(self) -> None:
        class Echo(WebSocketEndpoint):
            encoding = "text"

        async def conversation(socket: ClientWebSocket) -> tuple[int, str]:
            await socket.send(b"bytes")
            return await closed(socket)

        # Starlette closes with 1003, and raises RuntimeError behind it.
        found = talk(Starlette(routes=[WebSocketRoute("/", Echo)]), conversation)
        assert found[0] == 1003

    def test_iterating_ends_when_the_client_leaves(self, caplog: pytest.LogCaptureFixture) -> None:
        seen: list[str] = []

        async def page(websocket: Any) -> None:
            await websocket.accept()
            async for text in websocket.iter_text():
                seen.append(text)
                await websocket.send_json({"got": text})
            seen.append("end")

        talk(Starlette(routes=[WebSocketRoute("/", page)]), echoed)
        assert seen == ["hello", "end"]
        assert caplog.records == []

    @pytest.mark.parametrize("leave", ["close", "drop"])
    def test_a_disconnect_that_nobody_catches_is_no_error(self, leave: str, caplog: pytest.LogCaptureFixture) -> None:
        async def page(websocket: Any) -> None:
            await websocket.accept()
            while True:
                await websocket.send_text(await websocket.receive_text())

        async def conversation(socket: ClientWebSocket) -> None:
            await echoed(socket)
            if leave == "drop":
                socket.leave()

        talk(Starlette(routes=[WebSocketRoute("/", page)]), conversation)
        assert caplog.records == []

    def test_sending_to_a_client_that_has_left_is_a_disconnect(self, caplog: pytest.LogCaptureFixture) -> None:
        seen: list[str] = []

        async def journey() -> None:
            gate = asyncio.Event()

            async def page(websocket: Any) -> None:
                await websocket.accept()
                await gate.wait()
                try:
                    await websocket.send_text("late")
                except WebSocketDisconnect as error:
                    seen.append(str(error.code))
                    raise

            async with open_app(Starlette(routes=[WebSocketRoute("/", page)])) as client:
                async with client.websocket("/") as socket:
                    socket.leave()
                    await settle()
                gate.set()
                await settle()

        run(journey)
        assert seen == ["1006"]
        assert caplog.records == []

    def test_closing_when_the_client_has_left_is_no_error(self, caplog: pytest.LogCaptureFixture) -> None:
        async def page(websocket: Any) -> None:
            await websocket.accept()
            try:
                while True:
                    await websocket.receive_text()
            except WebSocketDisconnect:
                pass
            finally:
                await websocket.close()

        talk(Starlette(routes=[WebSocketRoute("/", page)]), lambda socket: socket.close())
        assert caplog.records == []

    def test_a_denial_response(self) -> None:
        async def page(websocket: Any) -> None:
            await websocket.send_denial_response(JSONResponse({"why": "no"}, 402, headers={"x-name": "value"}))

        response = refused(Starlette(routes=[WebSocketRoute("/", page)])).response
        assert (response.status, response.json(), response.headers["x-name"]) == (402, {"why": "no"}, "value")

    def test_a_path_without_a_route_is_403(self) -> None:
        assert refused(Starlette(routes=[WebSocketRoute("/here", echoed)]), "/there").response.status == 403

    def test_an_http_route_at_the_same_path_answers_other_requests(self) -> None:
        async def page(websocket: Any) -> None:
            await websocket.accept()
            await websocket.send_text(await websocket.receive_text())

        routes = [WebSocketRoute("/", page), Route("/", lambda request: JSONResponse("http"))]

        async def journey() -> tuple[Any, Any]:
            async with open_app(Starlette(routes=routes)) as client:
                async with client.websocket("/") as socket:
                    answer = await echoed(socket)
                return answer, (await client.get("/")).json()

        assert run(journey) == ("hello", "http")

    def test_middleware_that_refuses(self) -> None:
        class Nobody:
            async def authenticate(self, connection: Any) -> None:
                from starlette.authentication import AuthenticationError

                raise AuthenticationError("nobody")

        middleware = [Middleware(AuthenticationMiddleware, backend=Nobody())]  # type: ignore[arg-type]
        application = Starlette(routes=[WebSocketRoute("/", echoed)], middleware=middleware)
        assert refused(application).response.status == 403


class TestFastapi:
    def application(self) -> FastAPI:
        application = FastAPI()
        ended: list[str] = []
        application.state.ended = ended

        async def session() -> AsyncIterator[str]:
            yield "session"
            ended.append("session")

        async def token(token: Annotated[str, Query()] = "") -> str:
            if token == "http":
                raise HTTPException(401, "sign in", headers={"x-name": "value"})
            if token == "socket":
                raise WebSocketException(4003, "no")
            return token

        @application.websocket("/items/{number}")
        async def page(
            websocket: WebSocket,
            number: int,
            token: Annotated[str, Depends(token)],
            session: Annotated[str, Depends(session)],
        ) -> None:
            await websocket.accept()
            await websocket.send_json([number, token, session])
            if token == "late":
                raise WebSocketException(4004, "later")

        return application

    @pytest.mark.parametrize("loop", LOOPS)
    def test_dependencies_and_parameters(self, loop: str) -> None:
        application = self.application()

        async def hear(socket: ClientWebSocket) -> str | bytes:
            return await socket.receive()

        assert talk(application, hear, path="/items/7?token=t", loop=loop) == '[7,"t","session"]'
        assert application.state.ended == ["session"]

    def test_an_http_exception_in_the_handshake_is_its_answer(self) -> None:
        response = refused(self.application(), "/items/7?token=http").response
        assert (response.status, response.json()) == (401, {"detail": "sign in"})
        assert response.headers["x-name"] == "value"

    @pytest.mark.parametrize("target", ["/items/x", "/items/7?token=socket", "/other"])
    def test_a_close_in_the_handshake_is_403(self, target: str) -> None:
        assert refused(self.application(), target).response.status == 403

    def test_a_websocket_exception_closes_with_its_code(self) -> None:
        assert talk(self.application(), closed, path="/items/7?token=late") == (4004, "later")

    def test_an_error_is_1011_and_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        application = FastAPI()

        @application.websocket("/")
        async def page(websocket: WebSocket) -> None:
            await websocket.accept()
            raise ValueError("boom")

        assert talk(application, closed)[0] == 1011
        assert [record.levelno for record in caplog.records] == [logging.ERROR]

    def test_one_socket_too_many_of_its_client_is_429(self, caplog: pytest.LogCaptureFixture) -> None:
        async def journey() -> int:
            site = SiteSettings(
                apps=(AppSettings(at="/", asgi="tested:app"),),
                locations=(LocationSettings(at="/", websockets=WebSocketSettings(per_client=1)),),
            )
            server = ServerSettings(log=LogSettings(access=False))
            async with open_client(site, server=server, objects={"tested:app": self.application()}) as client:
                async with client.websocket("/items/1") as first:
                    with pytest.raises(WebSocketRefused) as raised:
                        async with client.websocket("/items/2"):
                            pass
                    assert await first.receive() == '[1,"","session"]'
                async with client.websocket("/items/3") as third:
                    assert await third.receive() == '[3,"","session"]'
            return raised.value.response.status

        assert run(journey) == 429
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []

    def test_sockets_of_a_client_on_another_site_are_not_counted(self) -> None:
        async def journey() -> None:
            sites = tuple(
                SiteSettings(
                    hosts=(host,),
                    apps=(AppSettings(at="/", asgi="tested:app"),),
                    locations=(LocationSettings(at="/", websockets=WebSocketSettings(per_client=1)),),
                )
                for host in ("a.example", "b.example")
            )
            settings = Settings(sites=sites)
            async with (
                open_client(settings, objects={"tested:app": self.application()}) as client,
                client.websocket("/items/1", headers={"host": "a.example"}) as first,
                client.websocket("/items/2", headers={"host": "b.example"}) as second,
            ):
                assert await first.receive() == '[1,"","session"]'
                assert await second.receive() == '[2,"","session"]'

        run(journey)

    def test_a_room_of_two(self) -> None:
        application = FastAPI()
        room: set[WebSocket] = set()

        @application.websocket("/")
        async def page(websocket: WebSocket) -> None:
            await websocket.accept()
            room.add(websocket)
            try:
                while True:
                    text = await websocket.receive_text()
                    for each in room:
                        await each.send_text(text)
            except WebSocketDisconnect:
                room.remove(websocket)

        async def journey() -> None:
            async with open_app(application) as client, client.websocket("/") as first:
                async with client.websocket("/") as second:
                    await first.send("to all")
                    assert [await first.receive(), await second.receive()] == ["to all"] * 2
                await settle()
                assert len(room) == 1
                assert await echoed(first) == "hello"

        run(journey)
