"""The chain of a builder: its items, and how they are made into one application, from the innermost outwards (R-AB-03)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from penstock.pipeline.stages import Stage
from penstock.pipeline_gateways.as_native import Answering, AroundApplication
from penstock.pipeline_gateways.asgi_application import AT_THE_END, Application
from penstock.pipeline_gateways.branches import Branch, Branching, BranchSource
from penstock.pipeline_gateways.conversions import Conversions, losses_of
from penstock.pipeline_gateways.middleware_shapes import Form, Middleware, detect_application
from penstock.pipeline_gateways.polymorphic_next import PolymorphicNext
from penstock.pipeline_gateways.shapes import Shape
from penstock.pipeline_gateways.staged_around import Generating

logger = logging.getLogger("penstock")

MIDDLEWARE: Final = "middleware"
APPLICATION: Final = "application"
BRANCH: Final = "branch"
MARKER: Final = "marker"

_WITHOUT_SOCKETS: Final = (Shape.WSGI, Shape.NATIVE, Shape.OWIN)
# As what a PolymorphicNext can be called.
_CALLED: Final = (Shape.ASGI3, Shape.NATIVE, Shape.WSGI)


class Item:
    """What was added to a builder: a middleware, an application, a branch or a stage marker. `name` is for people."""

    __slots__ = ("application", "branch", "chooser", "kind", "middleware", "name", "needs", "produces", "stage")

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        middleware: Middleware | None = None,
        application: Any = None,
        produces: str | None = None,
        needs: Iterable[str] | None = None,
        chooser: Any = None,
        stage: Stage | None = None,
    ) -> None:
        self.kind = kind
        self.name = name
        self.middleware = middleware
        self.application = application
        self.produces = produces
        self.needs = None if needs is None else frozenset(needs)
        self.chooser = chooser
        self.branch: BranchSource | None = None  # None as long as it is built
        self.stage = stage


class Link:
    """A part of the chain, with its signature, and what the application in it `needs` of what is around it: None, it did not say."""

    __slots__ = ("application", "name", "needs", "signature")

    def __init__(self, application: Any, signature: str, name: str, needs: frozenset[str] | None = frozenset()) -> None:
        self.application = application
        self.signature = signature
        self.name = name
        self.needs = needs


def default_of(application: Any) -> Link:
    """What answers where nothing else does: `application`, by default 404, or the rest of the pipeline in a stage."""
    if application is None:
        return Link(Application(_answer_nothing), Shape.ASGI3.value, "the default application")
    shape = getattr(application, "__gateway__", None) or str(detect_application(application, "the default application"))
    return Link(application, shape, "the default application")


def build_chain(items: Sequence[Item], conversions: Conversions, default: Link, signature: str) -> Any:
    """One application of `signature`. Raises as `Builder.build`."""
    link = default
    for item in reversed(items):
        if item.kind == APPLICATION:
            if link is not default:
                logger.warning("behind %s, which answers everything, there is more that is never reached", item.name)
            link = Link(item.application, item.produces or "", item.name, item.needs)
        elif item.kind == BRANCH:
            link = _branching(item, link, conversions)
        elif item.middleware is not None:
            link = _wrapped(item.middleware, item.produces, link, conversions)
    return converted(link, signature, conversions)


def converted(link: Link, signature: str, conversions: Conversions) -> Any:
    """The application of `link` as one of `signature`. That it can have no WebSockets so is a warning in the log (R-PY-12)."""
    application, needs = link.application, link.needs or ()
    path = conversions.path_to(application, link.signature, signature, name=link.name, needs=needs)
    may_have = link.needs is None and link.signature not in _WITHOUT_SOCKETS
    if path is not None and may_have and "websocket" in losses_of(path):
        logger.warning(
            "WebSockets to %s will be refused with 403: it is converted from %s to %s, which has none. run(..., needs=()) says "
            'that it has none either, needs=("websocket",) makes this an error',
            link.name,
            link.signature,
            signature,
        )
        link.needs = frozenset()  # said once
    return conversions.convert(application, link.signature, signature, name=link.name, needs=needs)


def take_branch(item: Item) -> Branch:
    """The branch of `item`. Raises ValueError for one that is still being built, and what building raises."""
    if item.branch is None:
        raise ValueError(f"{item.name} leads to the builder that it belongs to: a builder cannot be a branch of itself")
    return item.branch.take()


def _branching(item: Item, link: Link, conversions: Conversions) -> Link:
    following = converted(link, Shape.ASGI3.value, conversions)
    return Link(Branching(following, take_branch(item), item.chooser), Shape.ASGI3.value, item.name, link.needs)


def _wrapped(middleware: Middleware, produces: str | None, link: Link, conversions: Conversions) -> Link:
    name, consumes = middleware.name, middleware.consumes
    if middleware.is_around:
        around = middleware.around()
        if middleware.form is Form.GENERATOR:
            around = Generating(around, name)
        inner = Answering(converted(link, Shape.NATIVE.value, conversions))
        return Link(AroundApplication(around, inner, name), Shape.NATIVE.value, name, link.needs)
    if consumes is None:
        following = PolymorphicNext(_Converting(link, conversions).convert)
        made = middleware.make(following)
        found = produces or str(detect_application(made, f"what {name} made"))
        if found in _CALLED and conversions.find_path(link.signature, found) is not None:
            following.converted(
                Shape(found)
            )  # what is lost on the way shows when it is built, and not by the first request
        return Link(made, found, name, link.needs)
    inside = converted(link, consumes, conversions)
    made = middleware.make(Answering(inside) if consumes == Shape.NATIVE else inside)
    if produces is None:
        return Link(made, consumes, name, link.needs)
    # What it makes is converted back to what it consumed: its neighbours need not know (middleware R-AB-03, R-AB-04).
    back = converted(Link(made, produces, name, link.needs), consumes, conversions)
    return Link(back, consumes, name, link.needs)


class _Converting:
    __slots__ = ("_conversions", "_link")

    def __init__(self, link: Link, conversions: Conversions) -> None:
        self._link = link
        self._conversions = conversions

    def convert(self, shape: Shape) -> Any:
        application = converted(self._link, shape.value, self._conversions)
        return Answering(application) if shape is Shape.NATIVE else application


async def _answer_nothing(scope: Any, receive: Any, send: Any) -> None:
    """404, or what the place in a pipeline has in store for what nobody has answered."""
    kind = scope["type"]
    if kind == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    rest = scope.get(AT_THE_END)
    if rest is not None:
        await rest(scope, receive, send)
    elif kind == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
    else:
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"14")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": b"404 Not Found\n"})
