"""The way of an accepted handshake: the pipeline unwinds, the 101 leaves, then the endpoint runs (websockets 1.6, O-1, T-1)."""

import asyncio
from contextvars import ContextVar
from functools import partial

import pytest

from penstock import AcceptOptions, Context, Hooks, Stage, WebSocket
from tests.flow.websocket_subject import accepting, logged, names, opened, until_closed
from tests.pipeline.subject import Attached, Recorder, on, run, settle

PLACE: ContextVar[str] = ContextVar("PLACE", default="nowhere")


def test_websockets_t01_sw20_sw35_unwind_before_function() -> None:
    log: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        log.append("endpoint")

    def handler(context: Context) -> None:
        log.append("accept")
        context.accept_websocket(endpoint)
        log.append("after")

    async def journey() -> None:
        async with opened(Recorder(log, "M1"), Recorder(log, "M2"), function=handler, log=log) as site:
            await site.open()
            await site.wait_over()

    run(journey)
    before, behind = log[: log.index("accept")], log[log.index("after") + 1 :]
    assert before[:2] == ["M1.BEGIN", "M2.BEGIN"]
    # SW-20: accept sends nothing and runs nothing; O-1: every stage behind it, END of all modules, the 101, the endpoint.
    assert log[len(before) : len(before) + 2] == ["accept", "after"]
    stages = [entry for entry in behind if entry.startswith("M1.")]
    assert stages == ["M1.EXECUTE+", "M1.RELEASE_STATE", "M1.RELEASE_STATE+", "M1.UPDATE_CACHE", "M1.UPDATE_CACHE+",
                      "M1.LOG", "M1.LOG+", "M1.END"]  # fmt: skip
    assert [entry.replace("M2", "M1") for entry in behind if entry.startswith("M2.")] == stages
    assert behind[-6:] == ["M1.END", "M2.END", "flush", "endpoint", "close 1000", "gone"]


def test_websockets_sw05_sw21_sw22_accept_sets_101_and_no_subprotocol() -> None:
    seen: list[object] = []

    def handler(context: Context) -> None:
        sockets = context.websockets
        seen.append((sockets.is_websocket_request, sockets.is_upgrading, sockets.negotiated_protocol))
        context.accept_websocket(until_closed)
        seen.append((sockets.is_websocket_request, sockets.is_upgrading, sockets.negotiated_protocol))
        seen.append(context.response.status_code)

    async def journey() -> None:
        async with opened(function=handler) as site:
            request = await site.open()
            assert request.terms is not None
            assert request.terms.subprotocol is None
            request.transport.take_close()

    run(journey)
    assert seen == [(True, False, None), (True, True, None), 101]


def test_websockets_sw16_any_stage_behind_begin_may_accept() -> None:
    log: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        log.append("endpoint")

    async def journey(stage: Stage) -> list[str]:
        log.clear()
        modules = (on(stage, lambda context: context.accept_websocket(endpoint)), Recorder(log))
        async with opened(*modules, function=lambda: None, log=log) as site:
            await site.open()
            await site.wait_over()
        return log

    for stage in (Stage.AUTHENTICATE, Stage.AUTHORIZE, Stage.RESOLVE_CACHE, Stage.MAP_HANDLER, Stage.PRE_EXECUTE):
        seen = run(partial(journey, stage))
        assert seen[-5:] == ["END", "flush", "endpoint", "close 1000", "gone"], stage
        assert "EXECUTE" in seen  # the pipeline goes on


def test_websockets_sw36_dv21_an_ordinary_request_costs_no_transition() -> None:
    async def journey() -> None:
        async with opened(function=lambda: "hello") as site:
            answer = await site.client.get("/")
            assert (answer.status, answer.text) == (200, "hello")
            # A handshake that nobody accepts is the GET it is.
            assert (await site.refused()).text == "hello"
            assert site.log == []
            assert site.counts == (0, 0, 0, 0)

    run(journey)


def test_websockets_sw37_callbacks_run_before_the_101_and_their_failures_change_nothing() -> None:
    log: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        log.append("endpoint")

    def fail(context: Context) -> None:
        log.append("fails")
        raise ValueError("meant to fail")

    def handler(context: Context) -> None:
        context.on_completed(fail)
        context.on_completed(lambda context: log.append(f"completed {context.response.status_code}"))
        context.accept_websocket(endpoint)

    async def journey() -> None:
        async with opened(function=handler, log=log) as site:
            await site.open()

    with logged() as records:
        run(journey)
    assert log == ["fails", "completed 101", "flush", "endpoint", "close 1000", "gone"]
    assert names(records) == ["ValueError"]


def test_websockets_sw38_what_was_deferred_is_closed_behind_the_socket() -> None:
    log: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        await settle()
        log.append("endpoint")

    def handler(context: Context) -> None:
        context.defer(lambda: log.append("first deferred"))
        context.defer(lambda: log.append("last deferred"))
        context.accept_websocket(endpoint)

    async def journey() -> None:
        async with opened(function=handler, log=log) as site:
            await site.open()

    run(journey)
    assert log == ["flush", "endpoint", "close 1000", "gone", "last deferred", "first deferred"]


def test_websockets_py05_sw59_the_endpoint_sees_the_context_variables_of_the_request() -> None:
    seen: list[str] = []

    def set_place(context: Context) -> None:
        PLACE.set("in the module")

    async def endpoint(websocket: WebSocket) -> None:
        seen.append(PLACE.get())
        PLACE.set("in the endpoint")

    async def journey() -> None:
        async with opened(on(Stage.AUTHENTICATE, set_place), function=accepting(endpoint)) as site:
            await site.open()
            await site.wait_over()
            seen.append(PLACE.get())
            await site.open()  # another request: nothing is left of the first

    run(journey)
    assert seen == ["in the module", "nowhere", "in the module"]


def test_websockets_o13_nothing_that_changes_bodies_touches_a_101() -> None:
    log: list[str] = []

    def filter_body(context: Context) -> None:
        context.response.on_sending_headers(lambda response: log.append("sending"))

    async def journey() -> None:
        async with opened(on(Stage.BEGIN, filter_body), function=accepting(until_closed)) as site:
            request = await site.open()
            assert request.switched is not None
            assert request.switched.status == 101
            request.transport.take_close()

    run(journey)
    assert log == ["sending"]  # the head of a 101 is a head: callbacks see it, no body goes through anything


def test_websockets_py24_fields_of_a_body_and_of_one_hop_do_not_leave_with_the_101() -> None:
    def handler(context: Context) -> None:
        context.accept_websocket(until_closed)
        response = context.response
        for name, value in (("content-type", "text/plain"), ("x-kept", "1")):
            response.headers[name] = value

    async def journey() -> None:
        async with opened(function=handler) as site:
            request = await site.open()
            assert request.switched is not None
            fields = dict(request.switched.raw_headers)
            assert fields.get(b"x-kept") == b"1"
            request.transport.take_close()

    run(journey)


def test_websockets_t01_headers_of_the_options_leave_with_the_101() -> None:
    options = AcceptOptions(headers={"X-Room": "blue"})

    async def journey() -> None:
        async with opened(function=accepting(until_closed, options)) as site:
            request = await site.open()
            assert request.switched is not None
            assert (b"x-room", b"blue") in request.switched.raw_headers
            request.transport.take_close()

    run(journey)


def test_websockets_sw04_no_module_is_called_once_the_transition_has_begun() -> None:
    log: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        log.append("endpoint")
        await until_closed(websocket)

    async def journey() -> None:
        async with opened(Recorder(log), function=accepting(endpoint), log=log) as site:
            request = await site.open()
            request.transport.sink.take_message("hello")
            request.transport.take_close()

    run(journey)
    assert log[log.index("flush") + 1 :] == ["endpoint", "close 1000", "gone"]


def test_websockets_o09_the_request_is_counted_out_with_101_before_the_endpoint_ends() -> None:
    async def journey() -> None:
        async with opened(function=accepting(until_closed)) as site:
            request = await site.open()
            counted = site.runtime.statistics()
            assert (counted.total, counted.executing, counted.succeeded) == (1, 0, 1)
            assert site.counts == (1, 1, 0, 0)
            request.transport.take_close()
            await site.wait_over()
            assert site.counts == (1, 0, 1, 0)

    run(journey)


@pytest.mark.parametrize("count", [1, 3])
def test_websockets_sw39_an_open_socket_keeps_no_place_of_a_request(count: int) -> None:
    async def journey() -> None:
        async with opened(function=accepting(until_closed), requests_inside=1, queue=0) as site:
            requests = [await site.open() for _ in range(count)]
            assert (await site.client.get("/")).status == 400  # let in, and told that it is no handshake
            for request in requests:
                request.transport.take_close()

    run(journey)


def test_websockets_sw38_a_scope_is_left_before_the_socket_begins() -> None:
    log: list[str] = []

    class Scope:
        async def __aenter__(self) -> None:
            log.append("enter")

        async def __aexit__(self, *exception: object) -> None:
            log.append("leave")

    def attach(hooks: Hooks) -> None:
        hooks.around(Stage.AUTHENTICATE, Stage.END, lambda context: Scope())

    async def endpoint(websocket: WebSocket) -> None:
        log.append("endpoint")
        await asyncio.sleep(0)

    async def journey() -> None:
        async with opened(Attached(attach), function=accepting(endpoint), log=log) as site:
            await site.open()

    run(journey)
    assert log.index("leave") < log.index("flush") < log.index("endpoint")
