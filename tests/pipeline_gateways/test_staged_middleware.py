"""One middleware of ASGI, made once, as a step; its journeys are in tests/flow/test_staged_rules.py."""

from typing import Any

from penstock.pipeline_gateways.staged_middleware import StagedMiddleware
from tests.pipeline.subject import run
from tests.pipeline_gateways.chain_subject import ask_app


def test_middleware_15_9_the_end_of_a_piece_answers_its_lifespan() -> None:
    made: list[Any] = []

    def wrap(app: Any) -> Any:
        made.append(app)
        return app

    piece = StagedMiddleware(wrap, name="piece")
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    answer = run(lambda: ask_app(made[0], {"type": "lifespan"}, messages))
    assert [each["type"] for each in answer.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert (len(made), piece.gateway.application is made[0]) == (1, True)
