"""What is a handshake for middleware in stages, and what is not."""

from penstock import Context, Stage
from penstock.pipeline_gateways.staged_crossing import is_handshake
from tests.pipeline.subject import ask, on, open_site


def test_an_ordinary_request_is_none() -> None:
    found: list[bool] = []

    def look(context: Context) -> None:
        found.append(is_handshake(context))

    ask(open_site(on(Stage.BEGIN, look)))
    ask(open_site(on(Stage.BEGIN, look)), headers={"connection": "upgrade", "upgrade": "websocket"})
    assert found == [False, True]
