"""Five modules as many sites have them, doing what the ASGI middlewares of five_middlewares.py do; a test compares them."""

import os
import time

from penstock import Context, Hooks, HTTPError, Response, Stage

ORIGINS = frozenset({"https://shop.example"})
KEYS = frozenset({"k-1"})


class RequestId:
    """Gives every request an id, the client's own if it sent a short word, and names it in every answer."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN, self.begin)

    def begin(self, context: Context) -> None:
        given = context.request.headers.get("x-request-id") or ""
        made = given if given.isalnum() and len(given) <= 64 else os.urandom(16).hex()
        context.items["request_id"] = made

        def name(response: Response) -> None:
            response.headers["x-request-id"] = made

        context.response.on_sending_headers(name)


class Timing:
    """Says in every answer how long it took to its head, in milliseconds."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN, self.begin)

    def begin(self, context: Context) -> None:
        began = time.perf_counter()

        def tell(response: Response) -> None:
            response.headers["server-timing"] = f"total;dur={(time.perf_counter() - began) * 1000:.3f}"

        context.response.on_sending_headers(tell)


class Cors:
    """Lets pages of known origins read the answers, and answers what their browsers ask before."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN, self.begin)

    def begin(self, context: Context) -> None:
        headers = context.request.headers
        origin = headers.get("origin") or ""
        allowed = origin in ORIGINS

        def allow(response: Response) -> None:
            if allowed:
                response.headers["access-control-allow-origin"] = origin
            response.headers.add("vary", "origin")

        context.response.on_sending_headers(allow)
        if allowed and context.request.method == "OPTIONS" and "access-control-request-method" in headers:
            context.response.status = 204
            context.response.headers["access-control-allow-methods"] = "GET, POST"
            context.complete()


class ErrorPage:
    """Answers errors with a small page that names the request."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on_error(self.answer)

    def answer(self, context: Context) -> Response:
        error = context.error
        status = error.status if isinstance(error, HTTPError) else 500
        return Response(page(status, context.items.get("request_id", "")), status=status, content_type="text/html")


class HeaderCheck:
    """Lets nobody in without a known key."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.AUTHORIZE, self.check)

    def check(self, context: Context) -> None:
        if context.request.headers.get("x-api-key") not in KEYS:
            raise HTTPError(401)


def page(status: int, request_id: str) -> str:
    return f"<!doctype html><title>{status}</title><h1>Error {status}</h1><p>Request {request_id}"
