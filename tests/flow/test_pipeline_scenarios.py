"""The scenarios of the pipeline that cross its parts, by their numbers; those that need a wire are in tests/wire."""

from pathlib import Path

from penstock import Context, Hooks, Response, Stage
from tests.pipeline.subject import Attached, Recorder, ask, noted_handler, open_site, raising

TRANSCRIPT = Path(__file__).with_name("transcript.txt")


class HeadRecorder(Recorder):
    """A recorder that also notes when the head is about to leave."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN, self.watch_head)
        super().attach(hooks)

    def watch_head(self, context: Context) -> None:
        context.response.on_sending_headers(lambda response: self.log.append(f"{self.name}.head"))


def test_scenario_01_three_modules_at_every_stage() -> None:
    log: list[str] = []
    modules = [HeadRecorder(log, name) for name in ("M1", "M2", "M3")]
    answer = ask(open_site(*modules, function=noted_handler(log)))
    assert (answer.status, answer.text) == (200, "hello")
    assert log == TRANSCRIPT.read_text(encoding="utf-8").splitlines()


def test_scenario_03_an_answered_refusal_never_reaches_the_handler() -> None:
    log: list[str] = []

    def attach(hooks: Hooks) -> None:
        hooks.on(Stage.AUTHORIZE, raising(PermissionError("no")))
        hooks.on_error(lambda context: Response("sign in first", status=401))

    answer = ask(open_site(Attached(attach), function=lambda: log.append("handler")))
    assert (answer.status, answer.text, log) == (401, "sign in first", [])
