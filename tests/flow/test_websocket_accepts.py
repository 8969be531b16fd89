"""The validation of an accept: its order, and that a failed one changes nothing (websockets 1.3, T-4, T-5, O-8)."""

from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import pytest

from penstock import AcceptOptions, Context, ContractError, HTTPError, RequestRejected, Stage, WebSocket
from tests.flow.websocket_subject import accepting, logged, opened, until_closed
from tests.pipeline.subject import on, run

FOREIGN = {"Origin": "https://elsewhere.example"}


class Precondition(NamedTuple):
    """One line of the table of section 1.3: how it is broken, and what is raised."""

    name: str
    error: type[Exception]
    says: str


# In the order in which they are checked.
ORDER = [
    Precondition("no function", TypeError, "None"),
    Precondition("twice", ContractError, "only once"),
    Precondition("in BEGIN", ContractError, "BEGIN"),
    Precondition("no handshake", RequestRejected, "WebSocket"),
    Precondition("too late", ContractError, "too late"),
    Precondition("foreign origin", HTTPError, "origin|pages of this site"),
    Precondition("not offered", ValueError, "not offered"),
]
BY_NAME = {each.name: each for each in ORDER}
# What cannot be broken together: nothing is accepted twice that could not be accepted once.
NEVER = [{"in BEGIN", "too late"}, {"twice", "in BEGIN"}, {"twice", "no handshake"}]
BROKEN = [
    broken
    for count in (1, 2)
    for broken in combinations(BY_NAME, count)
    if not any(pair <= set(broken) for pair in NEVER)
]


def broken_call(broken: tuple[str, ...], caught: list[BaseException]) -> Callable[[Context], None]:
    """A hook that accepts, with all that is broken."""
    endpoint: Any = None if "no function" in broken else until_closed
    options = AcceptOptions(
        "unheard.of" if "not offered" in broken else None, require_same_origin="foreign origin" in broken
    )

    def accept(context: Context) -> None:
        before = (context.response.status_code, context.websockets.is_upgrading)
        try:
            context.accept_websocket(endpoint, options)
        except Exception as error:
            caught.append(error)
        # O-8: nothing has changed.
        assert (context.response.status_code, context.websockets.is_upgrading) == before

    return accept


@pytest.mark.parametrize("broken", BROKEN, ids="+".join)
def test_websockets_t04_sw13_accept_order_matrix(broken: tuple[str, ...]) -> None:
    caught: list[BaseException] = []
    accept = broken_call(broken, caught)
    stage = Stage.BEGIN if "in BEGIN" in broken else Stage.LOG if "too late" in broken else Stage.EXECUTE
    first = on(Stage.AUTHORIZE, accepting(until_closed))

    async def journey() -> None:
        modules = [first] if "twice" in broken else []
        if stage is not Stage.EXECUTE:
            modules.append(on(stage, accept))
        function: Callable[..., None] = accept if stage is Stage.EXECUTE else lambda: None
        fields = dict(FOREIGN, Upgrade=None) if "no handshake" in broken else FOREIGN
        async with opened(*modules, function=function) as site:
            request = site.ask(fields=fields)
            if await request.wait_decided() is None:
                request.transport.take_close()

    run(journey)
    expected = BY_NAME[broken[0]]
    assert len(caught) == 1
    assert isinstance(caught[0], expected.error), caught
    with pytest.raises(expected.error, match=expected.says):
        raise caught[0]


def test_websockets_t04_accept_twice_keeps_the_first() -> None:
    log: list[str] = []

    def named(name: str) -> Callable[[WebSocket], Any]:
        async def endpoint(websocket: WebSocket) -> None:
            log.append(name)

        return endpoint

    def handler(context: Context) -> None:
        context.accept_websocket(named("first"))
        with pytest.raises(ContractError, match="only once"):
            context.accept_websocket(named("second"))

    async def journey() -> None:
        async with opened(function=handler) as site:
            await site.open()
            await site.wait_over()
            assert site.counts == (1, 0, 1, 0)

    run(journey)
    assert log == ["first"]


def test_websockets_t05_retry_after_failed_validation() -> None:
    def handler(context: Context) -> None:
        with pytest.raises(ValueError, match="not offered"):
            context.accept_websocket(until_closed, AcceptOptions("x"))
        with pytest.raises(HTTPError):
            context.accept_websocket(until_closed, AcceptOptions(allowed_origins=["https://example.org"]))
        assert not context.websockets.is_upgrading
        context.accept_websocket(until_closed)

    async def journey() -> None:
        async with opened(function=handler) as site:
            request = await site.open(fields={**FOREIGN, "Sec-WebSocket-Protocol": "y"})
            assert request.terms is not None
            assert request.terms.subprotocol is None
            request.transport.take_close()

    run(journey)


def test_websockets_sw11_no_function_is_told_before_everything_else() -> None:
    seen: list[BaseException] = []

    def handler(context: Context) -> None:
        try:
            context.accept_websocket(None)  # type: ignore[arg-type]
        except TypeError as error:
            seen.append(error)

    async def journey() -> None:
        async with opened(function=handler) as site:
            await site.client.get("/")

    run(journey)
    assert len(seen) == 1


@pytest.mark.parametrize("what", ["accept", "judge"])
def test_websockets_sw14_cw03_what_is_no_handshake_is_answered_400(what: str) -> None:
    def handler(context: Context) -> None:
        if what == "judge":
            context.websockets.judge()
        context.accept_websocket(until_closed)

    async def journey() -> None:
        async with opened(function=handler) as site:
            answer = await site.client.get("/")
            assert answer.status == 400
            assert "WebSocket" in answer.text
            assert (await site.refused(fields={"Sec-WebSocket-Key": "short"})).status == 400
            answer = await site.refused(fields={"Sec-WebSocket-Version": "12"})
            assert (answer.status, answer.headers["sec-websocket-version"]) == (426, "13")

    with logged() as records:
        run(journey)
    assert records == []  # section 7.6: the client's mistake is no error of ours


def test_websockets_sw15_a_module_that_accepts_in_begin_is_the_developers_mistake() -> None:
    async def journey() -> None:
        async with opened(on(Stage.BEGIN, accepting(until_closed))) as site:
            assert (await site.refused()).status == 500

    with logged() as records:
        run(journey)
    assert "BEGIN" in str(records[0].exc_info)


@pytest.mark.parametrize("stage", [Stage.RELEASE_STATE, Stage.UPDATE_CACHE, Stage.LOG, Stage.END])
def test_websockets_sw17_behind_the_handler_it_is_too_late(stage: Stage) -> None:
    seen: list[str] = []

    def late(context: Context) -> None:
        with pytest.raises(ContractError, match="too late"):
            context.accept_websocket(until_closed)
        seen.append(stage.name)

    async def journey() -> None:
        async with opened(on(stage, late), function=lambda: "an ordinary answer") as site:
            answer = await site.refused()
            assert (answer.status, answer.text) == (200, "an ordinary answer")

    run(journey)
    assert seen == [stage.name]


@pytest.mark.parametrize(
    ("offered", "seen"),
    [
        ("a, b", ("a", "b")),
        ("a,, b ,", ("a", "b")),
        ("a,A", ("a", "A")),
        ("a,a", ()),
        ("a,b c", ()),
        (" , ", ()),
        ("chat/1", ()),
        (None, ()),
    ],
)
def test_websockets_sw10_sw24_requested_protocols(offered: str | None, seen: tuple[str, ...]) -> None:
    found: list[object] = []

    def handler(context: Context) -> None:
        found.append(context.websockets.requested_protocols)

    async def journey() -> None:
        async with opened(function=handler) as site:
            await site.refused(fields={"Sec-WebSocket-Protocol": offered})
            await site.client.get("/")

    run(journey)
    assert found == [seen, None]


def test_websockets_sw08_is_false_for_ordinary_traffic() -> None:
    seen: list[bool] = []

    def handler(context: Context) -> None:
        seen.append(context.websockets.is_websocket_request)

    async def journey() -> None:
        async with opened(function=handler) as site:
            await site.client.get("/")
            await site.refused(fields={"Upgrade": "h2c"})
            await site.refused(fields={"Sec-WebSocket-Version": "8"})
            await site.refused()

    run(journey)
    assert seen == [False, False, False, True]


@pytest.mark.parametrize("value", ["", "a b", "chat/1", "é", "a,b", "(", "\t", "a\x7f"])
def test_websockets_sw23_a_subprotocol_is_a_token(value: str) -> None:
    with pytest.raises(ValueError, match="sub-protocol"):
        AcceptOptions(value)
    assert AcceptOptions("chat.v1").subprotocol == "chat.v1"


def test_websockets_sw25_the_choice_is_exact() -> None:
    def handler(context: Context) -> None:
        with pytest.raises(ValueError, match="Chat"):
            context.accept_websocket(until_closed, AcceptOptions("chat"))
        context.accept_websocket(until_closed, AcceptOptions("Chat"))
        assert context.websockets.negotiated_protocol == "Chat"

    async def journey() -> None:
        async with opened(function=handler) as site:
            request = await site.open(fields={"Sec-WebSocket-Protocol": "Chat"})
            assert request.terms is not None
            assert request.terms.subprotocol == "Chat"
            request.transport.take_close()

    run(journey)


def test_websockets_sw26_cross_site_is_allowed_unless_it_is_refused() -> None:
    async def journey() -> None:
        async with opened(function=accepting(until_closed)) as site:
            (await site.open(fields=FOREIGN)).transport.take_close()

    run(journey)


# Host and Origin of section 1.5, asked over http, and whether they are of the same site.
SAME_ORIGIN = [
    ("sw28", "ex.com", None, False),
    ("sw28", "ex.com", "", False),
    ("sw29", "ex.com", "null", False),
    ("sw29", "ex.com", "://", False),
    ("sw30", "ex.com", "http://ex.com:80", True),
    ("sw31", "ex.com", "https://ex.com", False),
    ("sw32", "EX.com", "http://ex.COM", True),
    ("sw32", "ex.com", "http://ex.com:8080", False),
    ("sw32", "ex.com", "ws://ex.com", False),
]


@pytest.mark.parametrize(("rule", "host", "origin", "is_same"), SAME_ORIGIN)
def test_websockets_sw28_sw29_sw30_sw31_sw32_same_origin(
    rule: str, host: str, origin: str | None, is_same: bool
) -> None:
    options = AcceptOptions(require_same_origin=True)

    async def journey() -> int:
        async with opened(function=accepting(until_closed, options)) as site:
            request = site.ask(fields={"Host": host, "Origin": origin})
            answer = await request.wait_decided()
            if answer is None:
                request.transport.take_close()
                return 101
            return answer.status

    assert run(journey) == (101 if is_same else 403)


@pytest.mark.parametrize(
    ("allowed", "origin", "status"),
    [
        (["https://ex.com"], "https://ex.com", 101),
        (["https://ex.com"], "https://EX.COM", 101),
        (["https://EX.com"], "https://ex.com", 101),
        (["https://ex.com"], None, 101),
        (["https://ex.com"], "https://evil.example", 403),
        (["https://ex.com"], "https://ex.com.evil.example", 403),
        (["https://ex.com"], "null", 403),
        ([""], "https://ex.com", 403),
        (["*"], "https://ex.com", 101),
        (["https://e.com", "https://ex.com"], "https://ex.com", 101),
    ],
)
def test_websockets_dv04_cw06_s02_allowed_origins(allowed: list[str], origin: str | None, status: int) -> None:
    options = AcceptOptions(allowed_origins=allowed)

    async def journey() -> int:
        async with opened(function=accepting(until_closed, options)) as site:
            request = site.ask(fields={"Origin": origin})
            answer = await request.wait_decided()
            if answer is None:
                request.transport.take_close()
            return 101 if answer is None else answer.status

    assert run(journey) == status


def test_websockets_py23_the_subprotocol_is_written_by_the_host_only() -> None:
    with pytest.raises(ValueError, match="sec-websocket-protocol"):
        AcceptOptions(headers={"Sec-WebSocket-Protocol": "a"})
