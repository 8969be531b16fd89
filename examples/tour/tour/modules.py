"""This file is the tour's one module: it shows on every answer which stages the request passed."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from penstock import Context, Hooks, Response, Stage


@dataclass(frozen=True, slots=True)
class Passage:
    """One request that went through, for the box on the overview page."""

    method: str
    path: str
    status: int
    stages: tuple[str, ...]


recent: deque[Passage] = deque(maxlen=8)


class ShowStages:
    """Notes each stage as it is entered, and says so in a header of the answer."""

    def __init__(self, header: str = "x-stages", unlisted: Sequence[str] = ()) -> None:
        """`header` is what the stages are shown in; paths that begin with one of `unlisted` stay out of the box."""
        self._header = header
        self._unlisted = tuple(unlisted)

    def attach(self, hooks: Hooks) -> None:
        for stage in Stage:
            hooks.on(stage, self._note)

    def _note(self, context: Context) -> None:
        passed = stages_of(context)
        passed.append(context.stage.name.lower())
        if context.stage is Stage.BEGIN:
            context.response.on_sending_headers(partial(self._show, passed))
        request = context.request
        if context.stage is Stage.END and not request.path.startswith(self._unlisted):
            recent.appendleft(Passage(request.method, request.path, context.response.status, tuple(passed)))

    def _show(self, passed: list[str], response: Response) -> None:
        response.headers[self._header] = ", ".join(passed)


def stages_of(context: Context) -> list[str]:
    """The stages this request has passed so far, the present one included."""
    passed: list[str] = context.items.setdefault("stages", [])
    return passed
