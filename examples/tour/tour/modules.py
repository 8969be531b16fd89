"""This file is the tour's one module: it shows on every answer which stages the request passed."""

from collections import deque
from dataclasses import dataclass

from penstock import Context, Hooks, Stage


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

    def __init__(self, header: str = "x-stages") -> None:
        self._header = header

    def attach(self, hooks: Hooks) -> None:
        for stage in Stage:
            hooks.on(stage, self._note)

    def _note(self, context: Context) -> None:
        passed = context.items.setdefault("stages", [])
        assert isinstance(passed, list)
        if context.stage is Stage.BEGIN:
            context.response.on_sending_headers(lambda: self._show(context))
        passed.append(context.stage.name.lower())
        if context.stage is Stage.END:
            recent.appendleft(
                Passage(context.request.method, context.request.path, context.response.status, tuple(passed))
            )

    def _show(self, context: Context) -> None:
        context.response.headers[self._header] = ", ".join(stages_of(context))


def stages_of(context: Context) -> list[str]:
    """The stages this request has passed so far, the present one included."""
    passed = context.items.get("stages", [])
    assert isinstance(passed, list)
    return passed
