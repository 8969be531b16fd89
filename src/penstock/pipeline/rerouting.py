"""Rerouting: how a request comes to another plan than the one it began with (pipeline H-04 to H-06, H-13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ContractError, HTTPError
from penstock.pipeline.handler import entry_of, execute_step
from penstock.pipeline.stages import Stage

if TYPE_CHECKING:
    from penstock.http.messages import RequestLine
    from penstock.pipeline.context import Context
    from penstock.pipeline.plan import Plan

# Beyond this it is taken for a loop (pipeline H-13).
MOST: Final = 10


def change_plan(context: Context, line: RequestLine) -> None:
    """Go on with what `line` leads to, from the same position: all plans of a site begin with the same steps of BEGIN."""
    head = context.worker_request.head
    rest = context.rest
    rest.original_path = rest.original_path or head.path
    head.line = line
    plan, values = context.plan.site.find_plan(line.method, line.path)
    _set_plan(context, plan if rest.remapped is None else plan.site.remapped(plan), values)
    limit_body(context)


def remapped_plan(context: Context, handler: object) -> Plan:
    """The plan of the same location that leads to `handler`; None leads back to what the path says."""
    rest = context.rest
    rest.execute_remapped = None if handler is None else execute_step(entry_of(handler))
    rest.remapped = handler
    if handler is not None:
        return context.plan.site.remapped(context.plan)
    line = context.worker_request.head.line
    return context.plan.site.find_plan(line.method, line.path)[0]


def execute_remapped(context: Context) -> Any:
    """The step of stage EXECUTE that calls the handler a module has chosen."""
    execute = context.rest.execute_remapped
    if execute is None:
        raise ContractError("no handler was remapped")
    return execute(context)


def check_redispatch(context: Context) -> None:
    """Raise ContractError where a request cannot come in again."""
    stage = context.stage
    if not Stage.AUTHENTICATE <= stage <= Stage.EXECUTE:
        instead = ": rewrite the path there" if stage is Stage.BEGIN else ""
        raise ContractError(f"a request is re-dispatched from AUTHENTICATE to EXECUTE, not in {stage.name}{instead}")
    if context.response.is_started:
        raise ContractError("the head of the response has left; the request can no longer be re-dispatched")
    chain = context.rest.redispatches or []
    if len(chain) >= MOST:
        way = " -> ".join([*chain, context.worker_request.head.path])
        raise ContractError(f"re-dispatch loop: more than {MOST} times, {way}")


def come_in_again(context: Context) -> None:
    """Lead a request that was re-dispatched to AUTHORIZE of its new plan."""
    rest = context.rest
    assert rest.redispatch is not None
    line, effective = rest.redispatch
    head = context.worker_request.head
    rest.redispatch = None
    rest.redispatches = [*(rest.redispatches or ()), head.path]
    rest.original_path = rest.original_path or head.path
    rest.effective_path = effective
    rest.kept_headers = None
    if effective is None:
        head.line = line
        plan, values = context.plan.site.find_plan(line.method, line.path)
        _forget_answer(context)
    else:
        plan, values = context.plan.site.plan_of(effective, context.plan.target), context.route_values
    _set_plan(context, plan, values)
    context.position = plan.authorize_at
    limit_body(context)


def limit_body(context: Context) -> None:
    """Hold the body to the limit of the location; a body that was announced to be larger is refused with 413."""
    if context.worker_request.head.framing.content_length:
        try:
            context.worker_request.limit_body(context.plan.body_limit)
        except HTTPError as error:
            context.fail(error)


def _forget_answer(context: Context) -> None:
    rest = context.rest
    rest.handler = rest.remapped = rest.execute_remapped = None
    context.exchange = None
    context.response.status = 200
    context.response.clear()


def _set_plan(context: Context, plan: Plan, values: dict[str, Any] | None) -> None:
    if context.position >= context.plan.detour_at:
        context.position += plan.detour_at - context.plan.detour_at
    context.plan = plan
    context.route_values = None if values is None else dict(values)
