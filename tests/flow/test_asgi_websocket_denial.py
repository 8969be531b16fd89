"""ASGI applications that refuse a WebSocket with an answer of their own (websockets AS-17 to AS-21)."""

from typing import Any

import pytest

from penstock import ContractError, Stage
from penstock.testing import ClientResponse
from tests.flow.asgi_socket_subject import ACCEPT, CLOSE, LOST, Message, Receive, Scope, Send, refusal_of, sockets_only
from tests.pipeline.subject import Recorder, on


class TestDenial:
    def denial(self, *messages: Message, raises: type[Exception] | None = None) -> tuple[ClientResponse, list[Message]]:
        told: list[Message] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            for message in messages[:-1]:
                await send(message)
            if raises is None:
                await send(messages[-1])
            else:
                with pytest.raises(raises):
                    await send(messages[-1])
            told.append(await receive())

        return refusal_of(sockets_only(application)), told

    def start(self, status: int = 400, *headers: tuple[bytes, bytes]) -> Message:
        return {"type": "websocket.http.response.start", "status": status, "headers": headers}

    def body(self, body: bytes, *, more: bool = False) -> Message:
        return {"type": "websocket.http.response.body", "body": body, "more_body": more}

    def test_websockets_as17_an_answer_of_the_application_in_two_pieces(self) -> None:
        start = self.start(400, (b"content-length", b"20"), (b"X-Why", b"no"))
        found, told = self.denial(start, self.body(b"x" * 10, more=True), self.body(b"y" * 10))
        assert (found.status, found.body, found.headers["x-why"]) == (400, b"x" * 10 + b"y" * 10, "no")
        assert told == [LOST]

    @pytest.mark.parametrize(
        "message", [ACCEPT, CLOSE, {"type": "websocket.send", "text": ""}, {"type": "http.response.body"}]
    )
    def test_websockets_as17_no_other_message_may_follow(
        self, message: Message, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send(self.start())
            with pytest.raises(ContractError, match=r"websocket\.http\.response\.body is expected"):
                await send(message)
            await send(self.body(b"no"))
            with pytest.raises(OSError):
                await send(message)

        found = refusal_of(sockets_only(application))
        assert (found.status, found.body) == (400, b"no")

    @pytest.mark.parametrize("status", [99, 700, "200", None, 101])
    def test_websockets_as18_a_status_that_is_none(self, status: Any) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send(self.start(status))

        assert refusal_of(sockets_only(application)).status == 500

    def test_websockets_as19_a_denial_without_body_still_has_its_status(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send(self.start(404, (b"x-why", b"no")))

        found = refusal_of(sockets_only(application))
        assert (found.status, found.body, found.headers["x-why"]) == (404, b"", "no")
        assert caplog.records == []

    def test_websockets_as20_a_second_start_is_told_what_is_expected(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send(self.start(404))
            with pytest.raises(ContractError, match=r"websocket\.http\.response\.body is expected"):
                await send(self.start(404))

        assert refusal_of(sockets_only(application)).status == 404

    def test_websockets_as21_a_denial_without_length_gets_one(self) -> None:
        found, _ = self.denial(self.start(403), self.body(b"hardbody"))
        assert (found.status, found.body) == (403, b"hardbody")

    def test_a_denial_that_streams_and_does_not_end_is_cut_off(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send(self.start())
            await send(self.body(b"half", more=True))

        found = refusal_of(sockets_only(application))
        assert (found.status, found.body, found.is_aborted) == (400, b"half", True)

    def test_a_denial_passes_every_stage_and_the_headers_of_modules(self) -> None:
        log: list[str] = []
        module = on(Stage.BEGIN, lambda context: context.response.headers.add("x-module", "1"))
        found = refusal_of(sockets_only(self.deny), module, Recorder(log))
        assert (found.status, found.body, found.headers["x-module"]) == (418, b"tea", "1")
        assert log[-3:] == ["LOG", "LOG+", "END"]

    async def deny(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(self.start(418))
        await send(self.body(b"tea"))

    def test_headers_that_are_none_are_named_by_the_message_that_had_them(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            with pytest.raises(ContractError, match=r"^websocket\.http\.response\.start needs"):
                await send({**self.start(), "headers": [("name", "value")]})
            with pytest.raises(ContractError, match=r"^websocket\.http\.response\.start needs"):
                await send({"type": "websocket.http.response.start"})
            await send(self.start())
            with pytest.raises(ContractError, match=r"the body of websocket\.http\.response\.body is bytes"):
                await send({"type": "websocket.http.response.body", "body": "text"})
            await send(self.body(b""))

        assert refusal_of(sockets_only(application)).status == 400
