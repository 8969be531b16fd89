"""What the bench compares is comparable: modules answer as ASGI middlewares do, and the WebSockets of the bench echo alike."""

import asyncio
import re
import socket
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from benchmarks.apps import (
    echo_socket,
    every_hook,
    five_middlewares,
    five_modules,
    hello_asgi,
    hello_function,
    hello_starlette,
    one_middleware,
)
from benchmarks.bench import results, rounds, tables
from benchmarks.bench.model import Sample
from benchmarks.bench.plain_socket import BINARY, TEXT, PlainSocket, as_frame, binary_message, text_message
from benchmarks.bench.socket_cases import SOCKET_CASES
from benchmarks.bench.staged_cases import STAGED_CASES
from penstock import Hooks
from penstock.server import open_client
from penstock.settings import AppSettings, MiddlewareSettings, ModuleSettings, RouteSettings, SiteSettings
from penstock.testing import Client, ClientResponse

FIVE = ("RequestId", "Timing", "Cors", "ErrorPage", "HeaderCheck")
MODULES = tuple(ModuleSettings(use=f"five_modules:{name}") for name in FIVE)
KEY = {"x-api-key": "k-1"}
SHOP = {**KEY, "origin": "https://shop.example"}
ASKED = {"access-control-request-method": "POST"}

ANSWERS = [
    ("GET", "/items/7", SHOP, 200),
    ("GET", "/items/7", KEY, 200),
    ("GET", "/items/7", {**SHOP, "x-request-id": "abc123"}, 200),
    ("GET", "/items/7", {**SHOP, "x-request-id": "a b"}, 200),
    ("GET", "/items/7", {**KEY, "origin": "https://evil.example"}, 200),
    ("GET", "/items/7", {}, 401),
    ("GET", "/items/7", {"origin": "https://shop.example"}, 401),
    ("GET", "/nothing", SHOP, 404),
    ("POST", "/items/7", SHOP, 405),
    ("OPTIONS", "/items/7", SHOP | ASKED, 204),
    ("OPTIONS", "/items/7", ASKED, 401),
]


async def broken(request: Request) -> PlainTextResponse:
    raise RuntimeError("broken")


def site_of(application: Any, **fields: Any) -> Client:
    objects = {f"five_modules:{name}": getattr(five_modules, name) for name in FIVE}
    site = SiteSettings(modules=MODULES, **(fields or {"apps": (AppSettings(at="/", asgi="the:application"),)}))
    return open_client(site, objects={**objects, "the:application": application})


def told(answer: ClientResponse) -> tuple[int, list[tuple[str, str]], str]:
    """Status, headers and body, without what differs from one request to the next, and what a host adds (the length)."""
    fields = [(name, re.sub(r"[0-9a-f]{32}|\d+\.\d{3}", "…", value)) for name, value in answer.headers.items()]
    kept = sorted(each for each in fields if each[0] != "content-length")
    return answer.status, kept, re.sub("[0-9a-f]{32}", "…", answer.text)


async def ask(client: Client, method: str, *, target: str, headers: dict[str, str]) -> ClientResponse:
    async with client:
        return await client.request(method, target, headers=headers)


@pytest.mark.parametrize(("method", "target", "headers", "status"), ANSWERS)
def test_modules_answer_as_the_middlewares_do(method: str, target: str, headers: dict[str, str], status: int) -> None:
    here = asyncio.run(ask(site_of(hello_starlette.application), method, target=target, headers=headers))
    there_app = five_middlewares.wrapped(hello_starlette.application)
    there = asyncio.run(ask(open_client(there_app), method, target=target, headers=headers))
    assert here.status == status
    assert told(here) == told(there)
    assert {"x-request-id", "server-timing", "vary"} <= {name for name, _ in here.headers.items()}


def test_an_application_that_fails_is_answered_alike() -> None:
    application = Starlette(routes=[Route("/", broken)])
    here = asyncio.run(ask(site_of(application), "GET", target="/", headers=SHOP))
    there = asyncio.run(ask(open_client(five_middlewares.wrapped(application)), "GET", target="/", headers=SHOP))
    assert here.status == 500
    assert told(here) == told(there)


def test_the_function_answers_as_the_starlette_application_does() -> None:
    routes = (RouteSettings(at="/items/{id}", function="the:application"),)
    here = asyncio.run(ask(site_of(hello_function.item, routes=routes), "GET", target="/items/7", headers=SHOP))
    there = asyncio.run(ask(site_of(hello_starlette.application), "GET", target="/items/7", headers=SHOP))
    assert (here.status, here.text) == (there.status, there.text) == (200, there.text)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_every_hook_has_twenty(asynchronous: bool) -> None:
    settings = {"asynchronous": asynchronous}
    site = SiteSettings(
        modules=(ModuleSettings(use="every:Hook", settings=settings),),
        routes=(RouteSettings(at="/", function="the:hello"),),
    )
    client = open_client(site, objects={"every:Hook": every_hook.EveryHook, "the:hello": hello_function.hello})
    answer = asyncio.run(ask(client, "GET", target="/", headers={}))
    assert answer.text == "Hello, world!"
    hooks = Hooks("EveryHook")
    every_hook.EveryHook(asynchronous=asynchronous).attach(hooks)
    assert len(hooks.subscriptions) == 20


def test_a_middleware_in_a_stage_answers_as_around_the_application() -> None:
    staged = SiteSettings(
        middleware=(MiddlewareSettings(use="the:AddHeader", stage="authenticate"),),
        apps=(AppSettings(at="/", asgi="the:application"),),
    )
    objects = {"the:AddHeader": one_middleware.AddHeader, "the:application": hello_asgi.hello}
    here = asyncio.run(ask(open_client(staged, objects=objects), "GET", target="/", headers={}))
    wrapped = one_middleware.AddHeader(hello_asgi.hello)
    there = asyncio.run(ask(open_client(wrapped), "GET", target="/", headers={}))
    assert told(here) == told(there)
    assert (here.text, here.headers["x-served-by"]) == ("Hello, world!", "bench")


def test_what_a_middleware_adds_is_the_difference() -> None:
    case = STAGED_CASES[1]
    assert [rival.recipe.without is not None for rival in case.rivals] == [case.ours.without is not None] == [True]
    dear, cheap = Sample(value=1.0, requests=1, cpu_us=20.5), Sample(value=2.0, requests=1, cpu_us=18.0)
    sample = rounds.added(dear, cheap)
    assert (sample.value, sample.cpu_us) == (2.5, None)
    assert sample.details == {"cpu_us_with": 20.5, "cpu_us_without": 18.0}
    assert rounds.added(cheap, dear).value == 0.1


def native_site() -> Client:
    site = SiteSettings(routes=(RouteSettings(at="/", websocket="the:echo"),))
    return open_client(site, objects={"the:echo": echo_socket.echo})


@pytest.mark.parametrize("is_native", [True, False])
@pytest.mark.parametrize("message", [binary_message(32), binary_message(16_384), text_message(100).decode(), b"", ""])
def test_both_echoes_send_back_what_comes(is_native: bool, message: str | bytes) -> None:
    async def journey() -> str | bytes:
        client = native_site() if is_native else open_client(hello_asgi.echo_messages)
        async with client, client.websocket("/") as opened:
            await opened.send(message)
            return await opened.receive()

    assert asyncio.run(journey()) == message


def test_a_broadcast_comes_to_everybody_and_who_left_is_forgotten() -> None:
    async def journey() -> list[str | bytes]:
        async with open_client(hello_asgi.broadcast) as client, client.websocket("/") as first:
            async with client.websocket("/"):
                pass
            async with client.websocket("/") as second:
                await second.send("to all")
                return [await each.receive() for each in (first, second)]

    assert asyncio.run(journey()) == ["to all", "to all"]
    assert hello_asgi.ROOM == []


def test_the_socket_of_the_bench_speaks_frames() -> None:
    near, far = socket.socketpair()
    with near, far:
        opened = PlainSocket.__new__(PlainSocket)
        opened.socket, opened.unread = near, b""
        for opcode, message in (
            (BINARY, binary_message(32)),
            (TEXT, text_message(100)),
            (BINARY, binary_message(16_384)),
        ):
            opened.send(opcode, message)
            sent = b""
            while len(sent) < len(as_frame(opcode, message, mask=bytes(4))):
                sent += far.recv(65_536)
            assert sent == as_frame(opcode, message, mask=bytes(4))
            far.sendall(as_frame(opcode, message))
            assert opened.receive() == (opcode, message)


def measured(name: str, value: float, family: str = "") -> rounds.Runs:
    """A server of the first row of WebSockets that did so much."""
    case = SOCKET_CASES[0]
    runs = rounds.Runs(
        name=name, recipe=case.ours, variant="", rival=name, family=family, load=case.load, exchange=case.exchange
    )
    runs.samples.append(Sample(value=value, requests=1))
    return runs


def test_of_the_forms_of_one_server_the_table_shows_the_best() -> None:
    case = SOCKET_CASES[0]
    servers = [measured("u slow", 1.0, "u"), measured("u fast", 2.0, "u"), measured("other", 0.5)]
    entry = results.case_entry(case, servers, made={})
    assert tables.rivals_shown(entry) == ["u fast", "other"]
    entry["more_is_better"] = False
    assert tables.rivals_shown(entry) == ["u slow", "other"]
    servers[0].failure = "it did not start"
    assert tables.rivals_shown(results.case_entry(case, servers, made={})) == ["u fast", "other"]
