# bakery/request_id.py
"""Gives every request an id, and names it in every answer."""

from uuid import uuid4

from penstock import Context, Hooks, Response, Stage


class RequestId:
    """The client's own X-Request-Id if it is a short word, else a new one. Others find it in `context.items["request_id"]`."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN, self.begin, priority=-10)

    def begin(self, context: Context) -> None:
        given = context.request.headers.get("x-request-id") or ""
        request_id = given if given.isalnum() and len(given) <= 64 else uuid4().hex
        context.items["request_id"] = request_id

        def name(response: Response) -> None:
            response.headers["x-request-id"] = request_id

        context.response.on_sending_headers(name)
