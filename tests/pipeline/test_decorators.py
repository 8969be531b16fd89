"""`@on`, `@after` and `@around`: subscriptions that stand where the methods stand (pipeline A-09)."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from penstock import Context, Hooks, Stage, after, around, on
from penstock.pipeline.decorators import attach_module
from tests.pipeline.subject import ask, open_site


class Decorated:
    def __init__(self) -> None:
        self.log: list[str] = []

    @on(Stage.BEGIN)
    async def first(self, context: Context) -> None:
        self.log.append("first")

    @on("begin", priority=-1)
    @on("End")
    def twice(self, context: Context) -> None:
        self.log.append("twice")

    @after(Stage.AUTHORIZE)
    def behind(self, context: Context) -> None:
        self.log.append("behind")

    @around(Stage.PRE_EXECUTE, Stage.EXECUTE)
    @contextmanager
    def span(self, context: Context) -> Iterator[None]:
        self.log.append("(")
        yield
        self.log.append(")")


def test_pipeline_a09_decorated_methods_are_hooks() -> None:
    module = Decorated()
    assert ask(open_site(module)).status == 200
    assert module.log == ["twice", "first", "behind", "(", ")", "twice"]


def test_what_a_subclass_puts_in_its_place_counts() -> None:
    class Quieter(Decorated):
        def first(self, context: Context) -> None:  # type: ignore[override]
            self.log.append("never called")

        @on(Stage.LOG)
        def last(self, context: Context) -> None:
            self.log.append("last")

    module = Quieter()
    ask(open_site(module))
    assert module.log == ["twice", "behind", "(", ")", "last", "twice"]


def test_attach_is_called_behind_them() -> None:
    class Both(Decorated):
        def attach(self, hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, lambda context: self.log.append("attached"))

    module = Both()
    ask(open_site(module))
    assert module.log[:3] == ["twice", "first", "attached"]


def test_a_module_with_neither_is_refused() -> None:
    with pytest.raises(AttributeError, match="attach"):
        attach_module(object(), Hooks("Nothing"))


@pytest.mark.parametrize("decorate", [on, after, lambda stage: around("begin", stage)])
def test_pipeline_a09_an_unknown_stage_is_told_with_those_there_are(decorate: object) -> None:
    with pytest.raises(ValueError, match="'begin_requset' is no stage; the stages are BEGIN, AUTHENTICATE") as caught:
        decorate("begin_requset")  # type: ignore[operator]
    assert "END" in str(caught.value)


def test_a_half_that_is_not_there_is_told_at_start() -> None:
    class Wrong:
        @after(Stage.BEGIN)
        def hook(self, context: Context) -> None:
            """Never called."""

    with pytest.raises(ValueError, match="BEGIN has no half behind it"):
        attach_module(Wrong(), Hooks("Wrong"))
