"""The step that reads a body before its handler is called (pipeline H-12)."""

from collections.abc import AsyncIterator

from penstock import Context, Hooks, Stage
from penstock.pipeline.body_preload import preload_body
from penstock.testing import ClientResponse
from tests.pipeline.subject import Attached, ask, open_site


def preload(body: bytes | AsyncIterator[bytes], *, limit: int = 1000) -> tuple[ClientResponse, list[bool]]:
    """The answer of a handler that wants its body at once, and whether somebody had to wait for it."""
    waited: list[bool] = []

    async def step(context: Context) -> None:
        pending = preload_body(context)
        waited.append(pending is not None)
        if pending is not None:
            await pending

    def handler(context: Context) -> bytes:
        return context.request.read()

    def attach(hooks: Hooks) -> None:
        hooks.on(Stage.PRE_EXECUTE, step)

    return ask(open_site(Attached(attach), function=handler, body=limit), method="POST", body=body), waited


async def pieces(*several: bytes) -> AsyncIterator[bytes]:
    for piece in several:
        yield piece


def test_pipeline_h12_nothing_is_waited_for_when_all_has_come() -> None:
    for body in (b"", b"body"):
        answer, waited = preload(body)
        assert (answer.status, answer.body, waited) == (200, body, [False])


def test_pipeline_h12_what_is_still_to_come_is_waited_for() -> None:
    answer, waited = preload(pieces(b"one", b"two"))
    assert (answer.status, answer.body, waited) == (200, b"onetwo", [True])


def test_pipeline_h12_who_has_begun_to_read_is_left_alone() -> None:
    async def step(context: Context) -> None:
        stream = context.request.stream()
        assert preload_body(context) is None
        context.items["read"] = b"".join([piece async for piece in stream])

    def handler(context: Context) -> bytes:
        read: bytes = context.items["read"]
        return read

    found = ask(
        open_site(Attached(lambda hooks: hooks.on(Stage.PRE_EXECUTE, step)), function=handler),
        method="POST",
        body=b"body",
    )
    assert found.body == b"body"


def test_pipeline_l01_a_body_that_grows_too_long_is_refused() -> None:
    answer, _ = preload(pieces(b"x" * 60, b"x" * 60), limit=100)
    assert answer.status == 413
