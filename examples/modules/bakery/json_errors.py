# bakery/json_errors.py
"""Answers errors with JSON that names the request, so that people can tell us which one it was."""

import json

from penstock import Context, Hooks, HTTPError, Response


class JsonErrors:
    """`contact` is where people can turn to."""

    def __init__(self, contact: str = "") -> None:
        self.contact = contact

    def attach(self, hooks: Hooks) -> None:
        hooks.on_error(self.answer)

    def answer(self, context: Context) -> Response | None:
        error = context.error
        if isinstance(error, HTTPError) and error.status == 401:
            return None  # browsers know what to do with Penstock's own answer
        status = error.status if isinstance(error, HTTPError) else 500
        told = {
            "status": status,
            "error": error.detail if isinstance(error, HTTPError) else "something went wrong here",
            "request": context.items.get("request_id", ""),
            "contact": self.contact,
        }
        return Response(json.dumps(told), status=status, content_type="application/json")
