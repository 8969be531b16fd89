"""Target: what can answer a request, and what its plans must know of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.module import Action
    from penstock.pipeline.routes import Template

Call = Callable[["Context"], Any]


class Target:
    """What can answer: `execute` is its step of stage EXECUTE; it lives between `on_start` and `on_stop`.

    `methods` are those it takes (empty: all). `handler` is what `context.handler` shows from MAP_HANDLER on. `map_handler`,
    when given, is the last step of MAP_HANDLER: it makes the handler of this request, or, `only_for_rules`, sees to it that the
    right rules hold, and is left out where there are none. `preload` is a step in front of `execute`; `finish` is right behind
    it and judges whether it kept its contract. `allow_anonymous`: authorization lets everybody in (pipeline P-21). `needs` is
    the right that the location must grant, "read" or "script", or "" for refusals (pipeline H-09). `cancel_on_disconnect`:
    its task is cancelled when the client leaves.
    """

    __slots__ = (
        "allow_anonymous",
        "at",
        "cancel_on_disconnect",
        "execute",
        "finish",
        "handler",
        "map_handler",
        "methods",
        "name",
        "needs",
        "on_start",
        "on_stop",
        "only_for_rules",
        "preload",
        "stands_for",
        "template",
    )

    def __init__(
        self,
        name: str,
        at: str,
        execute: Call,
        *,
        template: Template | None = None,
        methods: Sequence[str] = (),
        finish: Call | None = None,
        on_start: Action | None = None,
        on_stop: Action | None = None,
        handler: object = None,
        map_handler: Callable[[Context], Awaitable[None] | None] | None = None,
        only_for_rules: bool = False,
        preload: Callable[[Context], Awaitable[object] | None] | None = None,
        allow_anonymous: bool = False,
        needs: str = "script",
        cancel_on_disconnect: bool = False,
    ) -> None:
        self.name = name
        self.at = at
        self.execute = execute
        self.finish = finish
        self.template = template
        self.methods = tuple(methods)
        self.on_start = on_start
        self.on_stop = on_stop
        self.handler = handler
        self.map_handler = map_handler
        self.only_for_rules = only_for_rules
        self.preload = preload
        self.allow_anonymous = allow_anonymous
        self.needs = needs
        self.cancel_on_disconnect = cancel_on_disconnect
        # Another that could not be started: this one answers for it meanwhile.
        self.stands_for: Target | None = None
