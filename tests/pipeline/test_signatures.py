"""How many arguments a hook takes is judged at start-up (pipeline A-09)."""

from collections.abc import Callable
from typing import Any

import pytest

from penstock import Context, Hooks, Stage
from penstock.pipeline.signatures import called, check_arguments, check_callable


def none() -> None:
    """No argument."""


def one(context: Context) -> None:
    """One argument."""


def two(context: Context, step: object) -> None:
    """Two arguments."""


def optional(context: Context, other: int = 1) -> None:
    """One argument will do."""


@pytest.mark.parametrize(
    ("call", "count"), [(none, 0), (one, 1), (two, 2), (optional, 1), (print, 1), (len, 1), (dict, 0)]
)
def test_what_fits_is_taken(call: Callable[..., Any], count: int) -> None:
    check_arguments("A", call, count)


@pytest.mark.parametrize(
    ("call", "count", "message"),
    [
        (one, 0, "module A: one is called with no argument: missing a required argument: 'context'"),
        (none, 1, "module A: none is called with one argument, the context: too many positional arguments"),
        (one, 2, "module A: one is called with two arguments, the context and the step: too many positional arguments"),
        (None, 1, "module A: None is not callable"),
    ],
)
def test_what_does_not_fit_is_told(call: Any, count: int, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        check_arguments("A", call, count)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "subscribe",
    [
        lambda hooks: hooks.on(Stage.BEGIN, none),
        lambda hooks: hooks.after(Stage.AUTHORIZE, two),
        lambda hooks: hooks.around(Stage.BEGIN, Stage.END, none),
        lambda hooks: hooks.around_steps(one),
        lambda hooks: hooks.on_error(none),
        lambda hooks: hooks.on_start(one),
        lambda hooks: hooks.on_stop(one),
    ],
)
def test_every_subscription_is_judged(subscribe: Callable[[Hooks], object]) -> None:
    with pytest.raises(TypeError, match="module A: "):
        subscribe(Hooks("A"))


def test_what_is_given_to_be_called_is_judged_at_once() -> None:
    check_callable("defer", print)
    with pytest.raises(TypeError, match=r"^on_completed takes what can be called, not 'str'$"):
        check_callable("on_completed", "text")


def test_pep_479_what_is_called_ends_no_coroutine() -> None:
    def stops(number: int) -> None:
        raise StopIteration(number)

    assert called(divmod, 7, 2) == (3, 1)
    with pytest.raises(RuntimeError, match="stops raised StopIteration") as caught:
        called(stops, 1)
    assert isinstance(caught.value.__cause__, StopIteration)
