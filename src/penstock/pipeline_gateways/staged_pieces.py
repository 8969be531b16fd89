"""From a middleware to the piece of the pipeline that it becomes: made once, and hooked into its stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from penstock.pipeline.context import Context
from penstock.pipeline.module import Hooks
from penstock.pipeline.stages import Stage
from penstock.pipeline_gateways.double_callable import Double
from penstock.pipeline_gateways.lifespan import Lifespan
from penstock.pipeline_gateways.middleware_errors import NoConversion
from penstock.pipeline_gateways.middleware_shapes import Form, Middleware, detect_application
from penstock.pipeline_gateways.polymorphic_next import PolymorphicNext
from penstock.pipeline_gateways.shapes import Shape
from penstock.pipeline_gateways.staged_around import Generating
from penstock.pipeline_gateways.staged_middleware import StagedMiddleware
from penstock.pipeline_gateways.staged_native import NativeMiddleware

# Behind the modules of its stage, wherever they are configured; a hook of a higher priority runs within it (R-SG-33).
PRIORITY: Final = 1000

Piece = StagedMiddleware | NativeMiddleware


def hook_middleware(hooks: Hooks, stage: Stage, middleware: Middleware, *, relays_errors: bool = False) -> Piece:
    """Make `middleware` and let it take part in `stage`, under the name of `hooks`. Its lifespan is that of the site.

    Raises NoConversion for middleware that cannot wait in a stage, such as WSGI's, and whatever it raises itself.
    """
    return hook_piece(hooks, stage, make_piece(middleware, name=hooks.module, relays_errors=relays_errors))


def hook_piece(hooks: Hooks, stage: Stage, piece: Piece) -> Piece:
    """Let `piece` take part in `stage`."""
    hooks.has_frame = True
    hooks.on(stage, piece.step, priority=PRIORITY)
    if isinstance(piece, StagedMiddleware):
        hooks.on(stage, piece.judge, priority=PRIORITY)
        lifespan = Lifespan(piece.gateway, f"middleware {hooks.module}")
        hooks.on_start(lifespan.start)
        hooks.on_stop(lifespan.stop)
    return piece


def make_piece(middleware: Middleware, *, name: str, relays_errors: bool = False) -> Piece:
    """The piece, without a stage. Raises as `hook_middleware`."""
    if middleware.is_around:
        around = middleware.around()
        if middleware.form is Form.GENERATOR:
            around = Generating(around, name)
        return NativeMiddleware(around, name=name, relays_errors=relays_errors)
    _refuse(middleware.consumes, name)
    if middleware.consumes == Shape.ASGI3:
        return StagedMiddleware(middleware.make, name=name, relays_errors=relays_errors)
    return _Making(middleware, name).piece(relays_errors)


class _Making:
    """A middleware whose shape shows when it is made, around something that can be called in any way."""

    def __init__(self, middleware: Middleware, name: str) -> None:
        self._middleware = middleware
        self._name = name
        self._asgi: Callable[..., Any] | None = None
        self._native: NativeMiddleware | None = None

    def piece(self, relays_errors: bool) -> Piece:
        middleware, name = self._middleware, self._name
        made = middleware.make(PolymorphicNext(self._rest))
        shape = middleware.consumes or detect_application(made, f"what {middleware.name} made")
        _refuse(shape, name)
        if shape == Shape.NATIVE:
            self._native = NativeMiddleware(_Native(_call_of(made)), name=name, relays_errors=relays_errors)
            return self._native
        self._made = Double(made) if shape == Shape.ASGI2 else made
        return StagedMiddleware(self._wrap, name=name, relays_errors=relays_errors)

    def _wrap(self, application: Any) -> Any:
        self._asgi = application
        return self._made

    def _rest(self, shape: Shape) -> Any:
        if shape is Shape.ASGI3 and self._asgi is not None:
            return self._asgi
        if shape is Shape.NATIVE and self._native is not None:
            return self._native.lead_on
        raise NoConversion(
            f"{self._name} calls its application as {shape.value}, and is none itself: in a stage both are the same"
        )


class _Native:
    """(context, next) of an application (context) that was made around its own next."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[Context], Any]) -> None:
        self._call = call

    def __call__(self, context: Context, following: Any) -> Any:
        return self._call(context)


def _call_of(made: Any) -> Callable[[Context], Any]:
    found: Callable[[Context], Any] = made.invoke if callable(getattr(made, "invoke", None)) else made
    return found


def _refuse(shape: str | None, name: str) -> None:
    if shape == Shape.WSGI:
        raise NoConversion(
            f"{name} is middleware for WSGI, which would hold a thread in its stage for every request: put it around its "
            "application, as in wsgi = ... or with Builder().use(...).run(...)"
        )
    if shape is not None and shape not in (Shape.ASGI3, Shape.ASGI2, Shape.NATIVE):
        raise NoConversion(f"{name} is middleware for {shape}: what waits in a stage is for ASGI 3, or (context, next)")
