"""A proxy as one writes it in Python with httpx: a bare ASGI application, streaming, with connections that are kept."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from httpx import AsyncClient, AsyncHTTPTransport, Limits

Message = MutableMapping[str, Any]

BACKEND = "../backend.sock"
# What belongs to one connection (RFC 9110 section 7.6.1).
OWN = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te", b"trailer"))

limits = Limits(max_connections=128, max_keepalive_connections=128)
client = AsyncClient(transport=AsyncHTTPTransport(uds=BACKEND, limits=limits), base_url="http://backend")


async def proxy(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    if scope["type"] != "http":
        return
    headers = [pair for pair in scope["headers"] if pair[0] not in OWN]
    headers += [(b"x-forwarded-for", scope["client"][0].encode()), (b"x-forwarded-proto", scope["scheme"].encode())]
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    request = client.build_request(scope["method"], target.decode(), headers=headers, content=body or None)
    response = await client.send(request, stream=True)
    try:
        raw = [(name.lower(), value) for name, value in response.headers.raw if name.lower() not in OWN]
        await send({"type": "http.response.start", "status": response.status_code, "headers": raw})
        async for piece in response.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await response.aclose()
