"""Whole journeys through the stages, one for each rule of the pipeline's specification that the core has to keep."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from penstock import (
    ConfigurationError,
    Context,
    Hooks,
    HTTPError,
    RegistrationClosed,
    Response,
    Stage,
)
from tests.pipeline.subject import (
    FINAL,
    LOOPS,
    RELEASE,
    WHOLE,
    Attached,
    Recorder,
    ask,
    hello,
    on,
    open_site,
    raising,
    run,
    seen_before,
)

BEFORE_ACQUIRE = [each for each in Stage if each < Stage.ACQUIRE_STATE]
WHILE_ACQUIRED = [Stage.ACQUIRE_STATE, Stage.PRE_EXECUTE, Stage.EXECUTE]


def complete(context: Context) -> None:
    context.complete()


async def complete_later(context: Context) -> None:
    await asyncio.sleep(0)
    context.complete()


def noting(log: list[str], text: str) -> Callable[[Context], None]:
    return lambda context: log.append(text)


def noting_later(log: list[str], text: str) -> Callable[[Context], Awaitable[None]]:
    async def note(context: Context) -> None:
        log.append(f"{text}(")
        await asyncio.sleep(0)
        log.append(f"{text})")

    return note


class TestOrder:
    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_p01_the_stages_run_in_order_each_once(self, loop: str) -> None:
        log: list[str] = []

        def handler() -> str:
            log.append("handler")
            return "hello"

        answer = ask(open_site(Recorder(log), function=handler), loop=loop)
        assert (answer.status, answer.text) == (200, "hello")
        # The handler is the last of its stage: modules that subscribe to EXECUTE come before it.
        assert log == [*WHOLE[:13], "handler", *WHOLE[13:]]

    def test_pipeline_p01_every_request_passes_the_stages_anew(self) -> None:
        log: list[str] = []

        async def journey() -> None:
            async with open_site(Recorder(log)) as client:
                await client.get("/")
                await client.get("/")

        run(journey)
        assert log == WHOLE * 2

    def test_pipeline_p02_what_is_refused_before_begin_is_seen_by_a_scope_wholly_or_not_at_all(self) -> None:
        log: list[str] = []

        @contextmanager
        def scope(context: Context) -> Iterator[None]:
            log.append("enter")
            yield
            log.append("exit")

        module = Attached(lambda hooks: hooks.around(Stage.BEGIN, Stage.END, scope))
        answer = ask(open_site(module, Recorder(log), body=10), method="POST", body=b"x" * 11)
        assert answer.status == 413
        assert log == FINAL

    def test_pipeline_p03_the_half_behind_a_stage_runs_after_all_modules(self) -> None:
        log: list[str] = []

        def module(name: str) -> Attached:
            def attach(hooks: Hooks) -> None:
                hooks.after(Stage.AUTHORIZE, noting(log, f"{name}.post"))
                hooks.on(Stage.AUTHORIZE, noting(log, f"{name}.auth"))

            return Attached(attach)

        ask(open_site(module("A"), module("B")))
        assert log == ["A.auth", "B.auth", "A.post", "B.post"]

    def test_pipeline_p04_modules_run_as_configured_and_those_of_a_location_behind_them(self) -> None:
        log: list[str] = []
        hooks = [on(Stage.AUTHORIZE, noting(log, name)) for name in "ABC"]
        ask(open_site(hooks[0], hooks[1], functions={"/in/here": hello}, locations={"/in": [hooks[2]]}), "/in/here")
        assert log == ["A", "B", "C"]

    def test_pipeline_p04_the_callbacks_before_the_head_run_in_reverse_order(self) -> None:
        log: list[str] = []

        def module(name: str) -> Attached:
            return on(Stage.BEGIN, lambda context: context.response.on_sending_headers(lambda _: log.append(name)))

        ask(open_site(module("A"), module("B"), module("C")))
        assert log == ["C", "B", "A"]

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_p05_hooks_of_one_module_run_in_their_order_plain_and_async_mixed(self, loop: str) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, noting_later(log, "a1"))
            hooks.on(Stage.BEGIN, noting(log, "s1"))
            hooks.on(Stage.BEGIN, noting_later(log, "a2"))

        assert ask(open_site(Attached(attach)), loop=loop).status == 200
        assert log == ["a1(", "a1)", "s1", "a2(", "a2)"]


class TestSubscribing:
    def test_pipeline_p06_hooks_are_frozen_once_the_plans_stand(self) -> None:
        kept: list[Hooks] = []
        seen: list[str] = []

        def handler(context: Context) -> str:
            for attempt in (
                lambda: kept[0].on(Stage.BEGIN, complete),
                lambda: kept[0].after(Stage.AUTHORIZE, complete),
                lambda: kept[0].around(Stage.BEGIN, Stage.END, lambda _: contextmanager(lambda: iter([None]))()),
                lambda: kept[0].on_error(lambda _: None),
                lambda: kept[0].on_start(lambda: None),
                lambda: kept[0].on_stop(lambda: None),
            ):
                with pytest.raises(RegistrationClosed) as caught:
                    attempt()
                seen.append(str(caught.value))
            return "unharmed"

        assert ask(open_site(Attached(kept.append), function=handler)).text == "unharmed"
        assert len(seen) == 6
        assert all("attach()" in text for text in seen)

    def test_pipeline_p06_what_is_kept_from_attach_cannot_be_cancelled_later(self) -> None:
        log: list[str] = []
        kept: list[Any] = []
        module = Attached(lambda hooks: kept.append(hooks.on(Stage.END, noting(log, "end"))))

        def handler() -> str:
            with pytest.raises(RegistrationClosed):
                kept[0].cancel()
            return "hello"

        assert ask(open_site(module, function=handler)).status == 200
        assert log == ["end"]

    def test_hooks_of_begin_belong_to_the_site(self) -> None:
        """The location is chosen behind BEGIN."""
        module = on(Stage.BEGIN, complete)
        with pytest.raises(ConfigurationError) as caught:
            open_site(functions={"/in": hello}, locations={"/in": [module]})
        assert "hooks BEGIN" in str(caught.value)
        assert "/in" in str(caught.value)

    def test_pipeline_p07_a_cancelled_subscription_is_never_called_and_no_other_suffers(self) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.MAP_HANDLER, noting(log, "first"))
            token = hooks.after(Stage.MAP_HANDLER, noting(log, "cancelled"))
            hooks.after(Stage.MAP_HANDLER, noting(log, "second"))
            token.cancel()

        ask(open_site(Attached(attach)))
        assert log == ["first", "second"]


class TestComplete:
    @pytest.mark.parametrize("hook", [complete, complete_later])
    @pytest.mark.parametrize("stage", BEFORE_ACQUIRE)
    def test_pipeline_p08_complete_skips_to_the_final_stages(
        self, stage: Stage, hook: Callable[[Context], Any]
    ) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(stage, hook)
            hooks.on(stage, noting(log, "the same module, the same stage"))

        ask(open_site(Attached(attach), Recorder(log)))
        assert log == seen_before(stage) + FINAL

    @pytest.mark.parametrize("stage", WHILE_ACQUIRED)
    def test_pipeline_p08_once_state_was_acquired_it_is_released(self, stage: Stage) -> None:
        log: list[str] = []
        ask(open_site(on(stage, complete), Recorder(log)))
        assert log == seen_before(stage) + RELEASE + FINAL

    def test_pipeline_p08_completing_in_the_half_behind_acquire_releases_too(self) -> None:
        log: list[str] = []
        ask(open_site(Recorder(log), Attached(lambda hooks: hooks.after(Stage.ACQUIRE_STATE, complete))))
        assert log == WHOLE[: WHOLE.index("ACQUIRE_STATE+") + 1] + RELEASE + FINAL

    def test_pipeline_p08_completing_while_state_is_released_releases_all_of_it(self) -> None:
        log: list[str] = []
        ask(open_site(on(Stage.RELEASE_STATE, complete), Recorder(log)))
        assert log == WHOLE[: WHOLE.index("RELEASE_STATE+") + 1] + FINAL

    def test_pipeline_p08_completing_in_update_cache_goes_on_to_log(self) -> None:
        log: list[str] = []
        ask(open_site(Recorder(log), on(Stage.UPDATE_CACHE, complete)))
        assert log == WHOLE[: WHOLE.index("UPDATE_CACHE") + 1] + FINAL

    def test_pipeline_p08_the_caller_goes_on_and_what_it_set_is_delivered(self) -> None:
        log: list[str] = []

        def refuse(context: Context) -> None:
            context.complete()
            assert context.is_complete
            assert context.stage is Stage.AUTHORIZE
            context.response.status = 403
            context.response.write("not you")

        answer = ask(open_site(on(Stage.AUTHORIZE, refuse), function=lambda: log.append("handler")))
        assert (answer.status, answer.text, log) == (403, "not you", [])

    def test_pipeline_p08_completing_twice_is_completing_once(self) -> None:
        log: list[str] = []

        def hook(context: Context) -> None:
            context.complete()
            context.complete()

        ask(open_site(on(Stage.BEGIN, hook), Recorder(log)))
        assert log == FINAL

    def test_pipeline_p08_the_cache_is_not_updated_where_nobody_releases_state(self) -> None:
        log: list[str] = []
        module = on(Stage.UPDATE_CACHE, noting(log, "stored"))
        assert ask(open_site(module, function=raising(ValueError("boom")))).status == 500
        assert ask(open_site(module, on(Stage.PRE_EXECUTE, complete))).status == 200
        assert log == []

    @pytest.mark.parametrize("stage", [Stage.LOG, Stage.END])
    def test_pipeline_p09_complete_in_a_final_stage_does_nothing(self, stage: Stage) -> None:
        log: list[str] = []
        answer = ask(open_site(on(stage, complete), Recorder(log)))
        assert (answer.status, answer.text) == (200, "hello")
        assert log == WHOLE


class TestAnswer:
    def test_pipeline_p13_end_can_still_change_the_head(self) -> None:
        def to_login(context: Context) -> None:
            if context.response.status == 401:
                context.response.redirect("/login", 302)

        answer = ask(open_site(on(Stage.END, to_login), function=raising(HTTPError(401))))
        assert (answer.status, answer.headers["location"], answer.body) == (302, "/login", b"")

    def test_pipeline_p13_what_is_recorded_is_what_was_sent(self) -> None:
        recorded: list[int] = []

        async def journey() -> None:
            async with open_site(on(Stage.END, _redirect), function=raising(HTTPError(401))) as client:
                client.runtime.record = lambda request, status, headers: recorded.append(status)
                await client.get("/")

        run(journey)
        assert recorded == [302]

    def test_pipeline_p18_the_callback_before_the_head_is_called_once(self) -> None:
        calls: list[int] = []

        def change(response: Response) -> None:
            calls.append(response.status)
            response.status = 202
            response.headers["x-late"] = "yes"

        async def handler(context: Context) -> None:
            context.response.on_sending_headers(change)
            for _ in range(2):
                context.response.write("x")
                await context.response.flush()

        answer = ask(open_site(function=handler))
        assert (answer.status, answer.headers["x-late"], answer.text, calls) == (202, "yes", "xx", [200])

    def test_pipeline_e11_a_callback_that_fails_becomes_an_error_answer_once(self) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, lambda context: context.response.on_sending_headers(_boom))
            hooks.on_error(lambda context: log.append(str(context.error)))

        answer = ask(open_site(Attached(attach)))
        assert (answer.status, log) == (500, ["boom"])

    def test_pipeline_e11_a_head_that_cannot_be_sent_becomes_an_error_answer(self) -> None:
        def spoil(context: Context) -> None:
            context.response.raw_headers.append((b"not a token", b"x"))

        answer = ask(open_site(on(Stage.END, spoil)))
        assert (answer.status, answer.is_aborted) == (500, False)

    def test_pipeline_e11_an_error_answer_that_cannot_be_sent_becomes_a_plain_one(self) -> None:
        answer = ask(open_site(function=raising(HTTPError(401, headers=[(b"not a token", b"x")]))))
        assert (answer.status, answer.is_aborted) == (500, False)

    def test_pipeline_e11_a_callback_that_fails_behind_an_error_does_not_cost_the_client_its_answer(self) -> None:
        module = on(Stage.BEGIN, lambda context: context.response.on_sending_headers(_boom))
        answer = ask(open_site(module, function=raising(HTTPError(404))))
        assert (answer.status, answer.is_aborted) == (500, False)

    def test_pipeline_e11_a_streamed_head_that_cannot_be_sent_becomes_an_error_answer(self) -> None:
        async def handler(context: Context) -> None:
            context.response.raw_headers.append((b"x", b"a\r\nb"))
            context.response.write("part")
            await context.response.flush()

        answer = ask(open_site(function=handler))
        assert (answer.status, answer.is_aborted) == (500, False)

    def test_pipeline_p20_somebody_always_asks(self) -> None:
        seen: list[tuple[str, bool]] = []
        module = Attached(
            lambda hooks: hooks.after(
                Stage.AUTHORIZE,
                lambda context: seen.append((context.principal.name, context.principal.is_authenticated)),
            )
        )
        ask(open_site(module))
        assert seen == [("", False)]


class TestMapping:
    def test_pipeline_h02_the_first_that_fits_path_and_method_answers(self) -> None:
        functions: dict[str, Callable[..., object]] = {"/{name}": lambda name: f"any {name}", "/exact": lambda: "exact"}
        assert ask(open_site(functions=functions), "/exact").text == "exact"
        assert ask(open_site(functions=functions), "/other").text == "any other"

    def test_pipeline_h03_no_path_is_404_another_method_405(self) -> None:
        client = open_site(functions={"/a": hello}, methods=("GET",))
        refused = ask(client, "/a", method="POST")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert ask(open_site(functions={"/a": hello}), "/b").status == 404

    def test_pipeline_h03_a_failure_is_counted_once(self) -> None:
        async def journey() -> int:
            async with open_site(functions={"/a": hello}) as client:
                await client.get("/b")
                return client.runtime.statistics().failed

        assert run(journey) == 1

    def test_pipeline_h08_without_anything_it_is_404_and_the_modules_take_part(self) -> None:
        log: list[str] = []
        assert ask(open_site(Recorder(log), function=None)).status == 404
        assert log[0] == "BEGIN"
        assert log[-3:] == FINAL

    def test_pipeline_h10_defaults_of_a_plain_answer(self) -> None:
        answer = ask(open_site(function=lambda: "x"))
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["cache-control"] == "private"

        def public(context: Context) -> str:
            context.response.headers["cache-control"] = "public, max-age=60"
            return "x"

        assert ask(open_site(function=public)).headers.get_all("cache-control") == ["public, max-age=60"]


def _redirect(context: Context) -> None:
    context.response.redirect("/login", 302)


def _boom(_: object) -> None:
    raise ValueError("boom")
