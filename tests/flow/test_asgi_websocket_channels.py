"""Whole journeys of Django Channels consumers, with its layer in memory, as anybody would write them."""

import logging
from typing import Any

import pytest
from django.conf import settings

if not settings.configured:
    settings.configure()  # Channels asks for it when it is imported
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer
from channels.layers import InMemoryChannelLayer, channel_layers
from channels.routing import URLRouter
from django.urls import path

from penstock.testing import Client, WebSocketRefused
from tests.flow.asgi_socket_subject import closed
from tests.pipeline.subject import LOOPS, open_app, run


class ChatConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc] # Channels has no types
    groups = ("room",)

    async def connect(self) -> None:
        if self.scope["url_route"]["kwargs"]["name"] == "nobody":
            raise DenyConnection
        await self.accept(subprotocol=(self.scope["subprotocols"] or [None])[0])

    async def receive_json(self, content: Any) -> None:
        if content == "bye":
            await self.close(4000, "bye")
        else:
            await self.channel_layer.group_send("room", {"type": "told", "content": content})

    async def told(self, event: dict[str, Any]) -> None:
        await self.send_json(event["content"])


class EchoConsumer(AsyncWebsocketConsumer):  # type: ignore[misc] # as above
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data == "fail":
            raise ValueError("boom")
        await self.send(text_data, bytes_data)


class TestChannels:
    @pytest.fixture(autouse=True)
    def layer(self) -> None:
        channel_layers.set("default", InMemoryChannelLayer())

    def application(self) -> Any:
        return URLRouter([path("chat/<name>", ChatConsumer.as_asgi()), path("echo", EchoConsumer.as_asgi())])

    def run(self, journey: Any, loop: str = "asyncio") -> Any:
        async def asgi(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                raise RuntimeError("no lifespan")
            await self.application()(scope, receive, send)

        async def whole() -> Any:
            async with open_app(asgi) as client:
                return await journey(client)

        return run(whole, loop)

    @pytest.mark.parametrize("loop", LOOPS)
    def test_a_group_of_two_consumers(self, loop: str, caplog: pytest.LogCaptureFixture) -> None:
        async def journey(client: Client) -> None:
            async with client.websocket("/chat/a", subprotocols=("json",)) as first:
                async with client.websocket("/chat/b") as second:
                    assert (first.subprotocol, second.subprotocol) == ("json", None)
                    await first.send('{"say": "hello"}')
                    assert [await first.receive(), await second.receive()] == ['{"say": "hello"}'] * 2
                await first.send('"alone"')
                assert await first.receive() == '"alone"'

        self.run(journey, loop)
        assert caplog.records == []

    def test_a_consumer_closes(self) -> None:
        async def journey(client: Client) -> tuple[int, str]:
            async with client.websocket("/chat/a") as socket:
                await socket.send('"bye"')
                return await closed(socket)

        assert self.run(journey) == (4000, "bye")

    def test_a_consumer_that_denies_is_403(self) -> None:
        async def journey(client: Client) -> int:
            with pytest.raises(WebSocketRefused) as raised:
                async with client.websocket("/chat/nobody"):
                    pass
            return raised.value.response.status

        assert self.run(journey) == 403

    @pytest.mark.parametrize("message", ["text", b"bytes"])
    def test_a_consumer_echoes_text_and_bytes(self, message: str | bytes) -> None:
        async def journey(client: Client) -> str | bytes:
            async with client.websocket("/echo") as socket:
                await socket.send(message)
                return await socket.receive()

        assert self.run(journey) == message

    def test_a_consumer_that_fails_is_1011(self, caplog: pytest.LogCaptureFixture) -> None:
        async def journey(client: Client) -> tuple[int, str]:
            async with client.websocket("/echo") as socket:
                await socket.send("fail")
                return await closed(socket)

        assert self.run(journey)[0] == 1011
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
