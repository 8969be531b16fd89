"""Scopes around every step: they see each one once and can neither skip nor repeat it (pipeline P-17)."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest

from penstock import Context, Hooks, HTTPError, Stage
from penstock.pipeline.step import Step
from tests.pipeline.subject import FINAL, Attached, Recorder, ask, on, open_site, raising


def test_pipeline_p17_the_last_registered_is_outermost() -> None:
    log: list[str] = []

    def scope_of(name: str) -> object:
        @contextmanager
        def scope(context: Context, step: Step) -> Iterator[None]:
            log.append(f"{name}({step.stage.name}")
            yield
            log.append(f"{name})")

        return scope

    def attach(hooks: Hooks) -> None:
        hooks.around_steps(scope_of("a"))  # type: ignore[arg-type]
        hooks.around_steps(scope_of("b"))  # type: ignore[arg-type]
        hooks.on(Stage.BEGIN, lambda context: log.append("hook"))

    assert ask(open_site(Attached(attach))).text == "hello"
    assert log[:5] == ["b(BEGIN", "a(BEGIN", "hook", "a)", "b)"]
    assert log[5:] == ["b(EXECUTE", "a(EXECUTE", "a)", "b)"]


def test_pipeline_p17_it_lasts_until_an_asynchronous_step_is_done() -> None:
    log: list[str] = []

    @contextmanager
    def scope(context: Context, step: Step) -> Iterator[None]:
        log.append(f"( {step.module} {step.hook}")
        yield
        log.append(")")

    async def hook(context: Context) -> None:
        await asyncio.sleep(0)
        log.append("hook")

    def attach(hooks: Hooks) -> None:
        hooks.around_steps(scope)
        hooks.on(Stage.AUTHORIZE, hook)

    ask(open_site(Attached(attach)))
    assert log[:3] == ["( module0 hook", "hook", ")"]


def test_pipeline_p17_one_that_swallows_an_error_changes_nothing() -> None:
    class Swallows(AbstractContextManager[None]):
        def __exit__(self, *error: object) -> bool:
            return True

    def attach(hooks: Hooks) -> None:
        hooks.around_steps(lambda context, step: Swallows())
        hooks.on(Stage.AUTHORIZE, raising(HTTPError(403)))

    assert ask(open_site(Attached(attach))).status == 403


@pytest.mark.parametrize("where", ["made", "entered", "left"])
def test_pipeline_p17_one_that_fails_fails_the_request_and_skips_no_final_step(where: str) -> None:
    log: list[str] = []

    class Fails:
        def __enter__(self) -> None:
            if where == "entered":
                raise ValueError

        def __exit__(self, *error: object) -> None:
            if where == "left":
                raise ValueError

    def scope(context: Context, step: Step) -> AbstractContextManager[object]:
        if where == "made":
            raise ValueError
        return Fails()

    attach = Attached(lambda hooks: hooks.around_steps(scope))
    assert ask(open_site(attach, Recorder(log))).status == 500
    assert log[-3:] == FINAL
    assert log[0] == ("BEGIN" if where == "left" else "LOG")
    assert "EXECUTE" not in log


def test_steps_of_other_modules_and_what_answers_are_wrapped_too() -> None:
    seen: list[str] = []

    def scope(context: Context, step: Step) -> AbstractContextManager[None]:
        seen.append(step.module)
        return nullcontext()

    def attach(hooks: Hooks) -> None:
        hooks.around_steps(scope)

    ask(open_site(Attached(attach), on(Stage.LOG, lambda context: None)))
    assert seen == ["function tested:function2", "module1"]
