"""What the tests of traces ask: a site under a rule, and the records that it leaves (pipeline D-04)."""

from collections.abc import Callable
from typing import Any

from penstock import Context, Hooks
from penstock.pipeline.handler import execute_step
from penstock.pipeline.location import Location
from penstock.pipeline.module import Hooks as PlacedHooks
from penstock.pipeline.routes import Template
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.target import Target
from penstock.pipeline.trace import TraceRule, Tracing
from penstock.settings import LimitSettings
from penstock.testing import Client
from tests.pipeline.subject import Attached, hello, run

Record = dict[str, Any]
EVERYTHING = TraceRule("/", ("1xx", "200-599"))
BUGS = TraceRule("/", ("500-599",))


def attached(name: str, attach: Callable[[Hooks], object]) -> PlacedHooks:
    hooks = Hooks(name)
    Attached(attach).attach(hooks)
    return hooks


def site_of(
    records: list[Record],
    *modules: PlacedHooks,
    rule: TraceRule = EVERYTHING,
    handler: Callable[[Context], Any] = lambda context: hello(),
    handlers: dict[str, Callable[[Context], Any]] | None = None,
) -> PipelineSite:
    functions = {"/": handler, **(handlers or {})}
    return PipelineSite(
        modules=modules,
        routes=[
            Target(f"function {at}", at, execute_step(each), template=Template(at)) for at, each in functions.items()
        ],
        locations=[Location(rule.at, wraps=[Tracing(rule, records.append)])],
    )


def traced(
    *modules: PlacedHooks, path: str = "/", headers: dict[str, str] | None = None, **subject: Any
) -> list[Record]:
    """What one request left."""
    records: list[Record] = []

    async def journey() -> None:
        async with Client([site_of(records, *modules, **subject)], limits=LimitSettings()) as client:
            await client.get(path, headers=headers)

    run(journey)
    return records
