"""Scenario 2 of the pipeline: whatever ends a request at whatever stage, what runs behind it is known to the last step."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from penstock import ClientGone, Context, Hooks, Response, ResponseComplete, Stage
from penstock.intake.statistics import RuntimeStatistics
from penstock.pipeline.stages import RULES
from penstock.testing import ClientResponse
from tests.pipeline.subject import Attached, Recorder, noted_handler, on, open_site, run, settle

OTHERS = ("first", "last")  # the recorders in front of the module that ends the request, and behind it


class Ending(NamedTuple):
    """What a hook does to end its request, and how it is answered. `outcome` is the number of the statistics that grows."""

    hook: Callable[[Context], Any]
    status: int
    outcome: str


def complete(context: Context) -> None:
    context.complete()


def fail(context: Context) -> None:
    raise ValueError("boom")


def redirect(context: Context) -> None:
    context.response.redirect("/elsewhere", 302)
    context.complete()


def end_from_within(context: Context) -> None:
    """As if deep within somebody's code that believes it catches everything."""
    try:
        raise ResponseComplete
    except Exception as error:
        raise AssertionError("ResponseComplete passes every `except Exception`") from error


async def wait_for_ever(context: Context) -> None:
    await asyncio.Event().wait()


async def wait_for_the_client_to_leave(context: Context) -> None:
    await context.disconnected
    raise ClientGone("the client left")


ENDINGS = {
    "complete": Ending(complete, 200, "succeeded"),
    "raise": Ending(fail, 500, "failed"),
    "raise, handled": Ending(fail, 503, "failed"),
    "redirect": Ending(redirect, 302, "succeeded"),
    "ResponseComplete": Ending(end_from_within, 200, "succeeded"),
    "timeout": Ending(wait_for_ever, 504, "failed"),
    "client disconnect": Ending(wait_for_the_client_to_leave, 0, "disconnected"),
}


class Lock:
    """A module that holds something from ACQUIRE_STATE to RELEASE_STATE, as a session would."""

    def __init__(self) -> None:
        self.held = 0
        self.times_acquired = 0

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.ACQUIRE_STATE, self.acquire)
        hooks.on(Stage.RELEASE_STATE, self.release)

    def acquire(self, context: Context) -> None:
        self.held += 1
        self.times_acquired += 1

    def release(self, context: Context) -> None:
        self.held -= 1


def halves(stage: Stage) -> list[str]:
    """What the two recorders write at a stage, and behind it."""
    names = [stage.name, f"{stage.name}+"] if RULES[stage].has_post else [stage.name]
    lines = [f"{who}.{name}" for name in names for who in OTHERS]
    if stage is Stage.EXECUTE:
        lines.insert(len(OTHERS), "handler")
    return lines


def expected(stage: Stage) -> list[str]:
    """The golden transcript of a request that is ended at `stage`, by a module between the two recorders."""
    before = [line for each in Stage if each < stage for line in halves(each)] + [f"first.{stage.name}"]
    rest_of_stage = [line for line in halves(stage) if line != f"first.{stage.name}"]
    final = halves(Stage.LOG) + halves(Stage.END)
    if stage is Stage.END:
        return before + rest_of_stage
    if stage is Stage.LOG:
        return before + rest_of_stage + halves(Stage.END)
    if stage is Stage.RELEASE_STATE:
        return before + rest_of_stage + final  # its other steps run, whatever happened
    if Stage.ACQUIRE_STATE <= stage < Stage.RELEASE_STATE:
        return before + halves(Stage.RELEASE_STATE) + final
    return before + final


@contextmanager
def untouched(context: Context, step: object) -> Iterator[None]:
    """Around a step, and of no consequence."""
    yield


# However the plan is assembled, the same happens: settings of the site, and modules in front.
FORMS: dict[str, tuple[dict[str, Any], list[object]]] = {
    "plain": ({}, []),
    "development": ({"mode": "development"}, []),
    "verified": ({"verifier": True}, []),
    "traced": ({"traces": "to a folder of the test"}, []),
    "wrapped": ({}, [Attached(lambda hooks: hooks.around_steps(untouched))]),
}


def ask_and_end(
    kind: str, stage: Stage, *, form: str = "plain", folder: Path = Path()
) -> tuple[list[str], Lock, ClientResponse | None, RuntimeStatistics, int]:
    """A request that is ended at `stage`: what was recorded, the lock, the answer, the numbers and the slots in use."""
    log: list[str] = []
    lock = Lock()
    ending = ENDINGS[kind]
    settings, in_front = FORMS[form]
    if form == "traced":
        settings = {"traces": str(folder)}
    modules: list[object] = [*in_front, lock, Recorder(log, "first"), on(stage, ending.hook), Recorder(log, "last")]
    if kind == "raise, handled":
        modules.append(Attached(lambda hooks: hooks.on_error(lambda context: Response("sorry", status=503))))

    async def journey() -> tuple[list[str], Lock, ClientResponse | None, RuntimeStatistics, int]:
        async with open_site(
            *modules, function=noted_handler(log), deadline=0.05 if kind == "timeout" else 0.0, **settings
        ) as client:
            request = client.open("GET", "/")
            if kind == "client disconnect":
                await asyncio.sleep(0)
                request.disconnect()
            await request.wait_finished()
            await settle()
            answer = ClientResponse(request)
            return log, lock, answer, client.runtime.statistics(), client.runtime.admission.inside

    return run(journey)


@pytest.mark.parametrize("stage", Stage, ids=lambda stage: stage.name)
@pytest.mark.parametrize("kind", ENDINGS)
@pytest.mark.parametrize("form", FORMS)
def test_scenario_02_short_circuits(kind: str, stage: Stage, form: str, tmp_path: Path) -> None:
    log, lock, answer, numbers, slots = ask_and_end(kind, stage, form=form, folder=tmp_path)
    ending = ENDINGS[kind]
    assert log == expected(stage)
    assert (lock.held, lock.times_acquired) == (0, int(stage >= Stage.ACQUIRE_STATE))
    assert (numbers.total, getattr(numbers, ending.outcome)) == (1, 1)
    assert (numbers.executing, numbers.queued, numbers.background, slots) == (0, 0, 0, 0)
    assert numbers.timed_out == (kind == "timeout")
    assert answer is not None
    assert answer.status == ending.status
    assert answer.is_aborted is (kind == "client disconnect")


@pytest.mark.parametrize("kind", ["complete", "redirect", "ResponseComplete"])
@pytest.mark.parametrize("stage", Stage, ids=lambda stage: stage.name)
def test_scenario_02_what_was_set_is_delivered(kind: str, stage: Stage) -> None:
    answer = ask_and_end(kind, stage)[2]
    assert answer is not None
    if kind == "redirect":
        assert (answer.headers["location"], answer.body) == ("/elsewhere", b"")
    else:
        assert answer.text == ("hello" if stage > Stage.EXECUTE else "")
