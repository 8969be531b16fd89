"""An answer that is kept in the response, for whoever called to go on with (middleware R-SG-26)."""

from typing import Any

import pytest

from penstock import Context, ContractError
from penstock.pipeline_gateways.held_exchange import HeldExchange
from tests.pipeline.subject import ask, open_site


def answered(*messages: dict[str, Any]) -> Any:
    async def handler(context: Context) -> None:
        exchange = HeldExchange(context)
        for message in messages:
            await exchange.send(message)
        exchange.end()
        exchange.judge("it", may_be_silent=False)
        context.response.headers["x-held"] = str(not context.response.is_started)

    return ask(open_site(function=handler))


START = {"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1")]}


def test_a_whole_answer_stays() -> None:
    answer = answered(START, {"type": "http.response.body", "body": b"page"})
    assert (answer.status, answer.body, answer.headers["x-a"], answer.headers["x-held"]) == (201, b"page", "1", "True")


@pytest.mark.parametrize(
    ("messages", "told"), [((), "it returned without an answer"), ((START,), "in the middle of its answer")]
)
def test_what_is_missing_is_told(messages: Any, told: str, caplog: pytest.LogCaptureFixture) -> None:
    assert answered(*messages).status == 500
    assert told in caplog.text


def test_behind_the_end_nothing_is_taken() -> None:
    found: list[str] = []

    async def handler(context: Context) -> None:
        exchange = HeldExchange(context)
        await exchange.send(dict(START))
        await exchange.send({"type": "http.response.body", "body": b"page"})
        with pytest.raises(ContractError) as caught:
            await exchange.send({"type": "http.response.body", "body": b"more"})
        found.append(str(caught.value))

    assert ask(open_site(function=handler)).body == b"page"
    assert found == ["http.response.body after the response was complete"]
