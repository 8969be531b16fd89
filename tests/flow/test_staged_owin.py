"""OWIN applications behind middleware in stages: what module and route share (middleware section 14.2, IP-T11 to IP-T15)."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from penstock import Context, ContractError, Stage
from penstock.pipeline_gateways.owin_environment import CONTEXT
from tests.flow.test_staged_rules import Native
from tests.flow.test_staged_traces import Staged
from tests.pipeline.subject import on
from tests.pipeline_gateways.owin_subject import Environment, answer_of

Next = Callable[[], Awaitable[None]]


class NotToday(Exception):
    """What an application fails with here."""


class TestSharing:
    def test_middleware_ip_t11_module_and_route_share_one_request_both_ways(self) -> None:
        found: list[Any] = []

        async def module(context: Context, following: Next) -> None:
            context.items["key"] = "before"
            context.response.headers["x-module"] = "1"
            await following()
            found.append((context.items["key"], context.response.status, context.response.headers["x-route"]))

        async def application(environment: Environment) -> None:
            items = environment[CONTEXT].items
            assert (items["key"], environment["owin.ResponseHeaders"]["X-Module"]) == ("before", ["1"])
            items["key"] = "after"
            environment["owin.ResponseStatusCode"] = 201
            environment["owin.ResponseHeaders"]["X-Route"] = ["2"]

        assert answer_of(application, Native(Stage.AUTHENTICATE, module)).status == 201
        assert found == [("after", 201, "2")]

    def test_middleware_ip_t14_a_callback_of_one_piece_fires_when_another_flushes(self) -> None:
        async def registering(context: Context, following: Next) -> None:
            def add(_: object) -> None:
                context.response.headers["x-late"] = "yes"

            context.response.on_sending_headers(add)
            await following()

        async def flushing(context: Context, following: Next) -> None:
            await context.response.flush()
            with pytest.raises(ContractError):
                context.response.headers["x-too-late"] = "yes"
            await following()

        async def application(environment: Environment) -> None:
            await environment["owin.ResponseBody"].write(b"hello")

        answer = answer_of(application, Native(Stage.AUTHENTICATE, registering), Native(Stage.MAP_HANDLER, flushing))
        assert (answer.status, answer.headers["x-late"], answer.body) == (200, "yes", b"hello")

    def test_middleware_ip_t15_what_a_module_knows_of_a_get(self) -> None:
        found: list[Any] = []

        def look(context: Context) -> None:
            request = context.request
            found.append(
                (request.method, request.path, request.query_string, request.scheme, bool(context.trace_id.strip()))
            )

        async def application(environment: Environment) -> None:
            keys = ("Method", "Path", "PathBase", "Protocol", "QueryString", "Scheme")
            found.append(tuple(environment[f"owin.Request{key}"] for key in keys))
            found.append(environment["owin.Version"])

        answer_of(application, on(Stage.AUTHENTICATE, look))
        assert found == [("GET", "/", b"", "http", True), ("GET", "/", "", "HTTP/1.1", "", "http"), "1.0"]


class TestFailing:
    """What an OWIN route fails with comes out of `await app(...)`, as itself; taken there, it leaves an empty 200."""

    @staticmethod
    def caught_of(application: Any) -> tuple[int, bytes, list[BaseException]]:
        caught: list[BaseException] = []

        def module(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                try:
                    await app(scope, receive, send)
                except NotToday as error:
                    caught.append(error)

            return middleware

        answer = answer_of(application, Staged(Stage.AUTHENTICATE, module, relays=True))
        return answer.status, answer.body, caught

    def test_middleware_ip_t12_before_it_is_awaited(self) -> None:
        failure = NotToday()

        def application(environment: Environment) -> Awaitable[None]:
            raise failure

        assert self.caught_of(application) == (200, b"", [failure])

    def test_middleware_ip_t13_while_it_is_awaited(self) -> None:
        failure = NotToday()

        async def application(environment: Environment) -> None:
            raise failure

        assert self.caught_of(application) == (200, b"", [failure])
