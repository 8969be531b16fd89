"""The list of requests now inside: pipeline D-05."""

import asyncio
import json
from typing import Any

import pytest

from penstock import Context
from penstock.intake.open_sockets import Entry
from penstock.request_handlers.request_list import RequestList
from penstock.testing import ClientResponse
from tests.pipeline.subject import open_site, run

LIST = RequestList()
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def answers_with_the_list(context: Context) -> Any:
    return LIST.handle(context)


def listed_while_parked(path: str = "/slow?token=abc", *, accept: str = "application/json") -> ClientResponse:
    """The list, while a handler of another request waits."""

    async def journey() -> ClientResponse:
        entered, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> str:
            entered.set()
            await go_on.wait()
            return "at last"

        async with open_site(
            functions={"/slow": slow, "/slow/{rest:path}": slow, "/list": answers_with_the_list}
        ) as client:
            headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            parked = asyncio.ensure_future(client.get(path, headers=headers))
            await entered.wait()
            answer = await client.get("/list", headers={"accept": accept})
            go_on.set()
            await parked
        return answer

    return run(journey)


def test_pipeline_d05_stage_module_and_age_of_a_parked_handler() -> None:
    answer = listed_while_parked()
    (entry,) = json.loads(answer.body)["requests"]
    assert answer.headers["content-type"] == "application/json"
    assert entry["stage"] == "EXECUTE"
    assert entry["module"].startswith("function ")
    assert (entry["method"], entry["path"], entry["client"]) == ("GET", "/slow", "127.0.0.1")
    assert 0 <= entry["age"] < 10
    assert entry["trace_id"] == TRACE


def test_pipeline_d05_the_query_is_never_shown() -> None:
    for accept in ("application/json", "text/plain"):
        assert b"abc" not in listed_while_parked(accept=accept).body


@pytest.mark.parametrize("accept", ["*/*", "text/plain", "text/html,application/xhtml+xml,*/*;q=0.8"])
def test_a_table_for_people(accept: str) -> None:
    answer = listed_while_parked(accept=accept)
    title, line = answer.body.decode().splitlines()
    assert title.split() == ["age", "stage", "module", "method", "path", "client", "trace", "id"]
    assert line.split()[1] == "EXECUTE"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


def test_a_path_cannot_write_to_the_terminal_of_who_reads_it() -> None:
    body = listed_while_parked("/slow/%C2%9B31m%E2%80%AEx", accept="text/plain").body.decode()
    assert "/slow/\\x9b31m\\u202ex" in body


def test_nobody_waits() -> None:
    async def journey() -> bytes:
        async with open_site(functions={"/list": answers_with_the_list}) as client:
            return (await client.get("/list")).body

    assert run(journey) == b"no request waits inside\n"


class FakeSocket:
    """An open socket as far as the list looks at it."""

    bytes_in = 120
    bytes_out = 4096
    state_name = "open"

    def go_away(self, code: int, reason: str) -> None: ...

    def abort(self) -> None: ...

    async def abort_async(self) -> None: ...


def listed_with_sockets(*, accept: str, ended: int = 0, path: str = "/chat") -> ClientResponse:
    """The list, while one socket is open and `ended` others were."""

    def answer(context: Context) -> Any:
        sockets = context.runtime.sockets
        for _ in range(ended):
            gone: Any = FakeSocket()
            sockets.add(gone, Entry("/gone", "", context.runtime.loop.time()))
            sockets.remove(gone, succeeded=True)
            sockets.complete()
        there: Any = FakeSocket()
        sockets.add(there, Entry(path, "192.0.2.7", context.runtime.loop.time() - 61.5))
        try:
            return LIST.handle(context)
        finally:
            sockets.remove(there, succeeded=False)
            sockets.complete()

    async def journey() -> ClientResponse:
        async with open_site(functions={"/list": answer}) as client:
            return await client.get("/list", headers={"accept": accept})

    return run(journey)


def test_websockets_section_1_12_open_sockets_and_their_counters_for_programs() -> None:
    found = json.loads(listed_with_sockets(accept="application/json", ended=2).body)
    (entry,) = found["sockets"]
    assert 61.5 <= entry.pop("age") < 80
    assert entry == {"path": "/chat", "client": "192.0.2.7", "state": "open", "bytes_in": 120, "bytes_out": 4096}
    assert found["socket_statistics"] == {
        "total": 3,
        "executing": 1,
        "succeeded": 2,
        "failed": 0,
        "bytes_in": 360,
        "bytes_out": 12288,
    }


def test_open_sockets_are_a_second_table_for_people() -> None:
    nobody, blank, told, title, line = listed_with_sockets(accept="*/*", path="/c\x9bhat").body.decode().splitlines()
    assert (nobody, blank) == ("no request waits inside", "")
    assert told == "WebSockets: 1 open of 1, 0 ended well, 0 failed; 120 bytes in, 4096 bytes out"
    assert title.split() == ["age", "state", "bytes", "in", "bytes", "out", "path", "client"]
    assert line.split()[1:] == ["open", "120", "4096", "/c\\x9bhat", "192.0.2.7"]


def test_programs_find_the_same_keys_when_there_are_no_sockets() -> None:
    found = json.loads(listed_while_parked().body)
    assert found["sockets"] == []
    assert set(found["socket_statistics"].values()) == {0}
