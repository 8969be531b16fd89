"""What takes an accept back: another status, or an error, behind it (websockets T-2, T-3, SW-33, SW-34, O-4, DV-17)."""

import asyncio
from collections.abc import Callable

import pytest

from penstock import Context, HTTPError, Response, Stage, WebSocket
from tests.flow.websocket_subject import Opened, accepting, logged, names, opened, until_closed
from tests.pipeline.subject import Attached, on, run, settle

# Where an accept that was recorded can still be vetoed.
BEHIND = (Stage.RELEASE_STATE, Stage.UPDATE_CACHE, Stage.LOG, Stage.END)


async def never(websocket: WebSocket) -> None:
    raise AssertionError("the endpoint was called")


def answering(status: int) -> Callable[[Context], None]:
    def hook(context: Context) -> None:
        context.response.status_code = status
        context.response.write("not today")

    return hook


async def check_untouched(site: Opened) -> None:
    """No socket was opened, no request is left inside, and the next one is served."""
    await settle()
    assert site.log == []
    assert site.counts == (0, 0, 0, 0)
    assert site.runtime.statistics().executing == 0


@pytest.mark.parametrize("stage", BEHIND)
def test_websockets_t02_veto_behind_the_handler(stage: Stage) -> None:
    async def journey() -> None:
        async with opened(on(stage, answering(409)), function=accepting(never)) as site:
            answer = await site.refused()
            # O-5: an ordinary response, its body included.
            assert (answer.status, answer.text) == (409, "not today")
            assert answer.headers.get("upgrade") is None
            await check_untouched(site)

    with logged() as records:
        run(journey)
    assert records == []  # section 7.6: a veto by status is no error


def test_websockets_sw02_is_upgrading_stays_true_when_it_was_vetoed() -> None:
    seen: list[bool] = []

    def handler(context: Context) -> None:
        context.accept_websocket(never)
        context.on_completed(lambda context: seen.append(context.websockets.is_upgrading))
        context.on_completed(lambda context: seen.append(context.websockets.is_websocket_request))

    async def journey() -> None:
        async with opened(on(Stage.END, answering(500)), function=handler) as site:
            assert (await site.refused()).status == 500

    run(journey)
    assert seen == [True, True]


@pytest.mark.parametrize("stage", BEHIND)
@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("meant to fail"), 500), (HTTPError(418), 418)], ids=["500", "mapped"]
)
def test_websockets_t03_error_after_accept(stage: Stage, error: Exception, status: int) -> None:
    def fail(context: Context) -> None:
        raise error

    async def journey() -> None:
        async with opened(on(stage, fail), function=accepting(never)) as site:
            assert (await site.refused()).status == status
            await check_untouched(site)

    with logged() as records:
        run(journey)
    assert names(records) == (["ValueError"] if status == 500 else [])


def test_websockets_t03_error_in_the_handler_behind_its_accept() -> None:
    def handler(context: Context) -> None:
        context.accept_websocket(never)
        raise ValueError("meant to fail")

    async def journey() -> None:
        async with opened(function=handler) as site:
            assert (await site.refused()).status == 500
            await check_untouched(site)

    with logged() as records:
        run(journey)
    assert names(records) == ["ValueError"]


def test_websockets_o04_complete_behind_an_accept_is_no_veto() -> None:
    log: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        log.append("endpoint")

    def accept_and_complete(context: Context) -> None:
        context.accept_websocket(endpoint)
        context.complete()

    async def journey() -> None:
        module = on(Stage.AUTHENTICATE, accept_and_complete)
        async with opened(module, function=lambda: log.append("handler"), log=log) as site:
            await site.open()

    run(journey)
    assert log == ["flush", "endpoint", "close 1000", "gone"]


def test_websockets_sw34_an_error_hook_may_answer_for_an_accept_that_failed() -> None:
    def fail(context: Context) -> None:
        raise ValueError("meant to fail")

    module = Attached(lambda hooks: hooks.on_error(lambda context: Response("sorry", status=502)))

    async def journey() -> None:
        async with opened(module, on(Stage.RELEASE_STATE, fail), function=accepting(never)) as site:
            answer = await site.refused()
            assert (answer.status, answer.text) == (502, "sorry")
            await check_untouched(site)

    run(journey)


@pytest.mark.parametrize("stage", BEHIND)
@pytest.mark.parametrize("is_error", [False, True], ids=["status", "error"])
def test_websockets_py09_an_inline_accept_that_is_vetoed_raises_accept_lost(stage: Stage, is_error: bool) -> None:
    seen: list[str] = []

    async def handler(context: Context) -> None:
        try:
            await context.websockets.accept()
        except OSError as error:
            seen.append(type(error).__name__)
            raise

    def hook(context: Context) -> None:
        if is_error:
            raise ValueError("meant to fail")
        answering(409)(context)

    async def journey() -> None:
        async with opened(on(stage, hook), function=handler) as site:
            assert (await site.refused()).status == (500 if is_error else 409)
            await check_untouched(site)
            # T-21: no task is left pending.
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            assert not rest, rest

    with logged() as records:
        run(journey)
    assert seen == ["AcceptLost"]
    assert names(records) == (["ValueError"] if is_error else [])


def test_websockets_o06_what_the_endpoint_raises_behind_a_veto_is_logged_and_answers_nobody() -> None:
    async def handler(context: Context) -> None:
        try:
            await context.websockets.accept()
        finally:
            raise KeyError("meant to fail")

    async def journey() -> None:
        async with opened(on(Stage.END, answering(409)), function=handler) as site:
            assert (await site.refused()).status == 409
            await check_untouched(site)

    with logged() as records:
        run(journey)
    assert names(records) == ["KeyError"]


def test_websockets_dv22_101_without_an_accept_is_an_error_of_the_application() -> None:
    def handler(context: Context) -> None:
        context.response.status_code = 101

    async def journey() -> None:
        async with opened(function=handler) as site:
            assert (await site.refused()).status == 500
            assert (await site.client.get("/")).status == 500

    with logged() as records:
        run(journey)
    assert len(records) == 2


def test_websockets_o05_h05_dv19_a_declined_handshake_is_an_ordinary_answer() -> None:
    def handler(context: Context) -> Response:
        return Response("members only", status=401, headers={"www-authenticate": "Basic"})

    async def journey() -> None:
        async with opened(function=handler) as site:
            answer = await site.refused()
            assert (answer.status, answer.text, answer.headers["www-authenticate"]) == (401, "members only", "Basic")
            await check_untouched(site)

    run(journey)


def test_websockets_o07_the_status_back_at_101_upgrades_after_all() -> None:
    async def journey() -> None:
        modules = (on(Stage.LOG, answering(409)), on(Stage.END, answering(101)))
        async with opened(*modules, function=accepting(until_closed)) as site:
            (await site.open()).transport.take_close()

    run(journey)
