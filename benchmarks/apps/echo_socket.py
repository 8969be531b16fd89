"""The native WebSocket endpoint of the bench."""

from penstock import WebSocket


async def echo(websocket: WebSocket) -> None:
    """Every message, back again."""
    async for message in websocket:
        await websocket.send(message)
