"""This file is the test of an OWIN environment as an endpoint of Penstock's own style sees it (websockets CO-70 to CO-77; T-27)."""

from collections.abc import Callable
from typing import Any

import pytest

from penstock import AcceptOptions, ContractError, Principal, RequestRejected, WebSocket
from penstock.pipeline_gateways.owin_features import OwinContext
from tests.pipeline.subject import run


class Body:
    def __init__(self, data: bytes = b"") -> None:
        self.data = data

    async def read(self, size: int = -1) -> bytes:
        return self.data

    async def write(self, data: bytes) -> None:
        self.data += data


def environment(**more: Any) -> dict[str, Any]:
    return {
        "owin.RequestMethod": "POST",
        "owin.RequestPathBase": "/pathBase",
        "owin.RequestPath": "/path",
        "owin.RequestQueryString": "name=value",
        "owin.RequestScheme": "https",
        "owin.RequestHeaders": {"X-Asked": ["1", "2"]},
        "owin.RequestBody": Body(b"asked"),
        "owin.ResponseHeaders": {},
        "owin.ResponseBody": Body(),
        **more,
    }


class TestRequest:
    def test_websockets_t27_http_environment_can_be_created(self) -> None:
        async def journey() -> None:
            request = OwinContext(environment()).request
            assert (request.method, request.scheme) == ("POST", "https")
            assert (request.path, request.query_string) == ("/pathBase/path", b"name=value")
            assert request.headers.get_all("x-asked") == ["1", "2"]
            assert await request.body() == b"asked"

        run(journey)

    def test_websockets_t27_http_environment_can_be_modified(self) -> None:
        found = environment()
        request = OwinContext(found).request
        found |= {"owin.RequestMethod": "GET", "owin.RequestPath": "/path2", "owin.RequestQueryString": "name=value2"}
        assert (request.method, request.path) == ("GET", "/pathBase/path2")
        assert request.query_string == b"name=value2"

    @pytest.mark.parametrize("wrong", [{}, {"owin.RequestMethod": 5, "owin.ResponseStatusCode": "404"}])
    def test_websockets_co70_what_is_missing_or_wrong(self, wrong: dict[str, Any]) -> None:
        async def journey() -> None:
            context = OwinContext(wrong)
            assert (context.request.method, context.request.path, context.response.status) == ("", "", 200)
            assert context.request.headers.items() == []
            assert await context.request.body() == b""
            assert not context.websockets.is_websocket_request

        run(journey)

    def test_websockets_co77_the_user_is_under_two_keys(self) -> None:
        found = environment()
        context = OwinContext(found)
        assert context.principal.name == ""
        found["server.User"] = Principal("server")
        assert context.principal.name == "server"
        found["owin.RequestUser"] = Principal("owin")
        assert context.principal.name == "owin"
        context.principal = Principal("mine")
        assert found["owin.RequestUser"].name == found["server.User"].name == "mine"


class TestResponse:
    def test_status_headers_and_body(self) -> None:
        async def journey() -> None:
            found = environment()
            response = OwinContext(found).response
            response.status = 404
            response.headers["x"] = ["1"]
            await response.write(b"text")
            assert found["owin.ResponseStatusCode"] == response.status == 404
            assert found["owin.ResponseHeaders"] == {"x": ["1"]}
            assert found["owin.ResponseBody"].data == b"text"

        run(journey)

    def test_websockets_co71_learns_when_the_head_has_left(self) -> None:
        registered: list[tuple[Callable[[Any], None], Any]] = []

        def register(callback: Callable[[Any], None], state: Any) -> None:
            registered.append((callback, state))

        response: Any = OwinContext(environment(**{"server.OnSendingHeaders": register})).response
        called: list[Any] = []
        response.on_sending_headers(called.append)
        assert not response.is_started
        for callback, state in reversed(registered):
            callback(state)
        assert response.is_started
        assert called == [response]

    def test_websockets_co71_a_server_that_does_not_tell(self) -> None:
        with pytest.raises(ContractError, match=r"server\.OnSendingHeaders"):
            OwinContext(environment()).response.on_sending_headers(print)


class TestAnswer:
    @pytest.mark.parametrize(
        ("value", "body", "content_type"),
        [
            ("text", b"text", ["text/plain; charset=utf-8"]),
            (b"bytes", b"bytes", ["application/octet-stream"]),
            ({"a": 1}, b'{"a":1}', ["application/json"]),
            (None, b"", None),
        ],
    )
    @pytest.mark.parametrize("is_async", [True, False])
    def test_what_an_endpoint_returns(self, value: object, body: bytes, content_type: object, is_async: bool) -> None:
        async def answer(context: Any) -> object:
            return value

        async def journey() -> None:
            found = environment()
            await OwinContext(found).answer_with(answer if is_async else lambda _: value)
            assert found["owin.ResponseBody"].data == body
            assert found["owin.ResponseHeaders"].get("content-type") == content_type

        run(journey)

    def test_a_content_type_that_was_set_stays(self) -> None:
        async def journey() -> None:
            found = environment()
            found["owin.ResponseHeaders"]["Content-Type"] = ["text/html"]
            await OwinContext(found).answer_with(lambda _: "<p>")
            assert found["owin.ResponseHeaders"] == {"Content-Type": ["text/html"]}

        run(journey)


class TestWebSockets:
    def test_websockets_co74_without_a_handshake(self) -> None:
        async def journey() -> None:
            websockets = OwinContext(environment()).websockets
            assert not websockets.is_websocket_request
            assert websockets.requested_protocols is None
            with pytest.raises(RequestRejected, match="open it with a WebSocket client"):
                await websockets.accept()

        run(journey)

    def test_with_one(self) -> None:
        asked: list[Any] = []
        opened: list[WebSocket] = []

        async def accept(options: Any) -> WebSocket:
            asked.append(options)
            opened.append(WebSocket(None))
            return opened[0]

        async def journey() -> None:
            headers = {"Sec-WebSocket-Protocol": ["a, b"]}
            found = environment(**{"websocket.AcceptAlt": accept, "owin.RequestHeaders": headers})
            websockets: Any = OwinContext(found).websockets
            assert websockets.is_websocket_request
            assert websockets.requested_protocols == ("a", "b")
            with pytest.raises(ValueError, match="'c' was not offered"):
                await websockets.accept(AcceptOptions("c"))
            assert not websockets.is_upgrading
            options = AcceptOptions("b")
            assert await websockets.accept(options) is opened[0]
            assert websockets.is_upgrading
            assert asked == [options]

        run(journey)
