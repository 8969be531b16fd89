"""This file is the way into the chat room by Django Channels: a consumer, and the group that all consumers are in."""

import asyncio
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer

from tour.chat import ROOM

GROUP = "chat"
WAY = "Django Channels"
_sending: set[asyncio.Task[None]] = set()


def _tell_group(text: str) -> None:
    """What is told in the room, by any way, goes to all consumers."""
    task = asyncio.ensure_future(get_channel_layer().group_send(GROUP, {"type": "chat.told", "text": text}))
    _sending.add(task)
    task.add_done_callback(_sending.discard)


ROOM.listeners.append(_tell_group)


class ChatConsumer(AsyncWebsocketConsumer):
    """One who came this way. Who has signed in to the admin speaks under that name."""

    async def connect(self) -> None:
        await self.accept()
        last = tuple(ROOM.last)
        await self.channel_layer.group_add(GROUP, self.channel_name)
        for text in last:
            await self.send(text)
        ROOM.come(WAY)

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)
        ROOM.come(WAY, -1)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        problem = ROOM.hear(WAY, text_data, user=self.scope["user"].get_username())
        if problem is not None:
            await self.send(problem)

    async def chat_told(self, event: dict[str, Any]) -> None:
        """What `_tell_group` sent."""
        await self.send(event["text"])
