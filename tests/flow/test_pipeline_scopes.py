"""Whole journeys through scopes: pipeline P-12."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from penstock import (
    ClientGone,
    ConfigurationError,
    Context,
    Stage,
)
from tests.pipeline.subject import (
    LOOPS,
    Attached,
    ask,
    on,
    open_site,
    raising,
    run,
    settle,
)


def complete(context: Context) -> None:
    context.complete()


class TestScopes:
    @pytest.mark.parametrize("loop", LOOPS)
    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_p12_scopes_nest_and_are_left_in_reverse(self, is_async: bool, loop: str) -> None:
        log: list[str] = []
        modules = [_scoped(log, name, is_async=is_async) for name in "ABC"]
        assert ask(open_site(*modules, function=lambda: log.append("handler")), loop=loop).status == 200
        assert log == ["A(", "B(", "C(", "handler", "C)", "B)", "A)"]

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_p12_a_scope_is_left_only_if_it_was_entered(self, is_async: bool) -> None:
        log: list[str] = []
        modules = [
            _scoped(log, "A", is_async=is_async),
            on(Stage.BEGIN, complete),
            _scoped(log, "B", is_async=is_async),
        ]
        assert ask(open_site(*modules)).status == 200
        assert log == ["A(", "A)"]

    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize(
        "last", [Stage.AUTHORIZE, Stage.EXECUTE, Stage.RELEASE_STATE, Stage.UPDATE_CACHE, Stage.END]
    )
    @pytest.mark.parametrize(
        "failing", [Stage.AUTHENTICATE, Stage.PRE_EXECUTE, Stage.UPDATE_CACHE, Stage.LOG, Stage.END]
    )
    def test_pipeline_p12_whatever_fails_an_entered_scope_is_left_once(
        self, failing: Stage, last: Stage, is_async: bool
    ) -> None:
        log: list[str] = []
        modules = [
            _scoped(log, "A", is_async=is_async),
            _scoped(log, "B", last=last, is_async=is_async),
            on(failing, raising(ValueError("boom"))),
        ]
        assert ask(open_site(*modules)).status == 500
        assert log == ["A(", "B(", "B)", "A)"]

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_p12_a_scope_sees_the_error_and_cannot_make_the_request_go_on(self, is_async: bool) -> None:
        log: list[str] = []

        class Swallow:
            def __enter__(self) -> None:
                log.append("enter")

            def __exit__(self, *reason: object) -> bool:
                log.append(f"exit {reason[1]}")
                return True

        class SwallowLater:
            async def __aenter__(self) -> None:
                log.append("enter")

            async def __aexit__(self, *reason: object) -> bool:
                log.append(f"exit {reason[1]}")
                return True

        scope: Any = (lambda context: SwallowLater()) if is_async else (lambda context: Swallow())
        modules = [
            Attached(lambda hooks: hooks.around(Stage.BEGIN, Stage.AUTHORIZE, scope)),
            on(Stage.AUTHORIZE, raising(PermissionError("no"))),
        ]
        assert ask(open_site(*modules, function=lambda: log.append("handler"))).status == 403
        assert log == ["enter", "exit no"]

    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize("last", [Stage.AUTHORIZE, Stage.EXECUTE, Stage.LOG, Stage.END])
    def test_pipeline_p12_a_scope_that_fails_when_left_keeps_no_other_from_being_left(
        self, last: Stage, is_async: bool
    ) -> None:
        log: list[str] = []
        modules = [
            _scoped(log, "A", last=last, is_async=is_async),
            _scoped(log, "B", last=last, is_async=is_async, error=ValueError("boom")),
            _scoped(log, "C", last=last, is_async=is_async),
        ]
        assert ask(open_site(*modules)).status == 500
        assert log == ["A(", "B(", "C(", "C)", "B)", "A)"]

    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize("last", [Stage.AUTHORIZE, Stage.EXECUTE, Stage.LOG, Stage.END])
    def test_pipeline_p12_scopes_that_all_fail_when_left_are_answered_with_the_first_error(
        self, last: Stage, is_async: bool
    ) -> None:
        log: list[str] = []
        errors: list[str] = []
        modules = [
            Attached(lambda hooks: hooks.on_error(lambda context: errors.append(str(context.error)))),
            _scoped(log, "A", last=last, is_async=is_async, error=ValueError("of A")),
            _scoped(log, "B", last=last, is_async=is_async, error=ValueError("of B")),
        ]
        assert ask(open_site(*modules)).status == 500
        assert log == ["A(", "B(", "B)", "A)"]
        assert errors == ["of B"]

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_p12_a_scope_that_fails_when_entered_is_not_left(self, is_async: bool) -> None:
        log: list[str] = []

        class Broken:
            def __enter__(self) -> None:
                raise ValueError("boom")

            def __exit__(self, *args: object) -> None:
                log.append("left")

        class BrokenLater:
            async def __aenter__(self) -> None:
                raise ValueError("boom")

            async def __aexit__(self, *args: object) -> None:
                log.append("left")

        scope: Any = (lambda context: BrokenLater()) if is_async else (lambda context: Broken())
        modules = [
            _scoped(log, "A", is_async=is_async),
            Attached(lambda hooks: hooks.around(Stage.BEGIN, Stage.END, scope)),
        ]
        assert ask(open_site(*modules)).status == 500
        assert log == ["A(", "A)"]

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_p12_a_scope_is_left_when_the_client_leaves(self, is_async: bool) -> None:
        log: list[str] = []

        async def read(context: Context) -> None:
            try:
                await context.request.body()
            except ClientGone:
                log.append("gone")
                raise

        async def never() -> AsyncIterator[bytes]:
            yield b"part"
            await asyncio.Event().wait()

        async def journey() -> None:
            client = open_site(_scoped(log, "A", is_async=is_async), function=read)
            async with client:
                request = client.open("POST", "/", body=never())
                await settle()
                request.disconnect()
                await request.wait_finished()
                await _stop_feeding(request.feeding)
                assert client.runtime.statistics().disconnected == 1

        run(journey)
        assert log == ["A(", "gone", "A)"]

    def test_pipeline_p12_ranges_that_overlap_without_nesting_are_refused(self) -> None:
        log: list[str] = []
        modules = [
            _scoped(log, "A", first=Stage.BEGIN, last=Stage.AUTHORIZE),
            _scoped(log, "B", first=Stage.AUTHENTICATE, last=Stage.EXECUTE),
        ]
        with pytest.raises(ConfigurationError) as caught:
            open_site(*modules)
        assert "BEGIN to AUTHORIZE and AUTHENTICATE to EXECUTE" in str(caught.value)

    def test_pipeline_p12_ranges_beside_each_other_are_left_and_entered_in_turn(self) -> None:
        log: list[str] = []
        modules = [
            _scoped(log, "A", first=Stage.BEGIN, last=Stage.AUTHENTICATE),
            _scoped(log, "B", first=Stage.AUTHORIZE, last=Stage.EXECUTE),
        ]
        ask(open_site(*modules))
        assert log == ["A(", "A)", "B(", "B)"]


def _scoped(
    log: list[str],
    name: str,
    *,
    first: Stage = Stage.BEGIN,
    last: Stage = Stage.END,
    is_async: bool = False,
    error: Exception | None = None,
) -> Attached:
    @contextmanager
    def scope(context: Context) -> Iterator[None]:
        log.append(f"{name}(")
        try:
            yield
        finally:
            log.append(f"{name})")
            if error is not None:
                raise error

    @asynccontextmanager
    async def scope_later(context: Context) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        log.append(f"{name}(")
        try:
            yield
        finally:
            await asyncio.sleep(0)
            log.append(f"{name})")
            if error is not None:
                raise error

    chosen: Any = scope_later if is_async else scope
    return Attached(lambda hooks: hooks.around(first, last, chosen))


async def _stop_feeding(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
