"""Five pure ASGI middlewares as many applications have them; five_modules.py does the same in Penstock, and a test compares them."""

import logging
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from typing import Any

from starlette.datastructures import Headers, MutableHeaders

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ORIGINS = frozenset({"https://shop.example"})
KEYS = frozenset({"k-1"})
logger = logging.getLogger(__name__)


def build() -> Application:
    """The Starlette application of the bench behind all five."""
    application: Application = import_module("hello_starlette").application
    return wrapped(application)


def wrapped(application: Application) -> Application:
    return RequestId(Timing(Cors(ErrorPage(HeaderCheck(application)))))


class Refused(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class RequestId:
    """Gives every request an id, the client's own if it sent a short word, and names it in every answer."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.application(scope, receive, send)
        given = Headers(scope=scope).get("x-request-id", "")
        made = given if given.isalnum() and len(given) <= 64 else os.urandom(16).hex()
        scope["request_id"] = made

        async def name(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = made
            await send(message)

        return await self.application(scope, receive, name)


class Timing:
    """Says in every answer how long it took to its head, in milliseconds."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.application(scope, receive, send)
        began = time.perf_counter()

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                spent = (time.perf_counter() - began) * 1000
                MutableHeaders(scope=message)["server-timing"] = f"total;dur={spent:.3f}"
            await send(message)

        return await self.application(scope, receive, tell)


class Cors:
    """Lets pages of known origins read the answers, and answers what their browsers ask before."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.application(scope, receive, send)
        asked = Headers(scope=scope)
        origin = asked.get("origin", "")
        allowed = origin in ORIGINS

        async def allow(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if allowed:
                    headers["access-control-allow-origin"] = origin
                headers.append("vary", "origin")
            await send(message)

        if allowed and scope["method"] == "OPTIONS" and "access-control-request-method" in asked:
            headers = [(b"access-control-allow-methods", b"GET, POST")]
            await allow({"type": "http.response.start", "status": 204, "headers": headers})
            return await allow({"type": "http.response.body", "body": b""})
        return await self.application(scope, receive, allow)


class ErrorPage:
    """Answers errors with a small page that names the request."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.application(scope, receive, send)
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.application(scope, receive, watch)
        except Exception as error:
            if started:
                raise
            status = error.status if isinstance(error, Refused) else 500
            if status == 500:
                logger.exception("failed")
            await answer(status, scope["request_id"], send=send)
        return None


class HeaderCheck:
    """Lets nobody in without a known key."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and Headers(scope=scope).get("x-api-key") not in KEYS:
            raise Refused(401)
        return await self.application(scope, receive, send)


async def answer(status: int, request_id: str, *, send: Send) -> None:
    body = f"<!doctype html><title>{status}</title><h1>Error {status}</h1><p>Request {request_id}".encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
