"""Builder: puts middleware and applications of any shape together into one application, or into the stages of a site."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from penstock.pipeline.stages import Stage, stage_named
from penstock.pipeline_gateways.branches import BranchSource, ByPredicate, ByPrefix, judge_prefix
from penstock.pipeline_gateways.chain import APPLICATION, BRANCH, MARKER, MIDDLEWARE, Item, build_chain, default_of
from penstock.pipeline_gateways.conversions import Conversion, Conversions
from penstock.pipeline_gateways.described import describe_items
from penstock.pipeline_gateways.middleware_shapes import detect_application, detect_middleware, name_of
from penstock.pipeline_gateways.shapes import Shape, find_call, is_coroutine_function

logger = logging.getLogger("penstock")

DEFAULT_APP: Final = "builder.default_app"
# A function of one parameter of such a name is an application; of any other it configures a branch.
_OF_REQUESTS: Final = ("context", "ctx", "scope", "environment", "websocket")


class Builder:
    """`Builder().use(Outer).use(Inner, level=3).run(app).build()`: the first one used is outermost (middleware section 15.5).

    Nothing is made before `build`, which may be called again and makes everything anew. `properties` are shared with the
    branches; "builder.default_app" is what answers behind the last middleware, 404 at first.
    """

    def __init__(self, properties: dict[str, Any] | None = None) -> None:
        self.properties: dict[str, Any] = {} if properties is None else properties
        self.properties.setdefault(DEFAULT_APP, None)
        self.conversions = Conversions()
        self.items: list[Item] = []
        self._root = self

    def new(self) -> Builder:
        """An empty builder for a branch: properties and conversions are those of this one (middleware R-AB-02)."""
        branch = Builder(self.properties)
        branch.conversions = self.conversions
        branch._root = self._root
        return branch

    def use(
        self,
        middleware: Any,
        *arguments: Any,
        consumes: str | None = None,
        produces: str | None = None,
        **settings: Any,
    ) -> Builder:
        """Add a middleware, made with `arguments` and `settings`: see docs/middleware.md for what it may be.

        `consumes` is the signature of what it is given, where that is not to be detected, and `produces` of what it makes.
        Raises UnsupportedMiddleware, AmbiguousSignature, or TypeError when it cannot be called with them.
        """
        found = detect_middleware(middleware, arguments, settings, consumes=_signature(consumes))
        self.items.append(Item(MIDDLEWARE, found.name, middleware=found, produces=_signature(produces)))
        return self

    def run(self, application: Any, *, signature: str | None = None, needs: Iterable[str] | None = None) -> Builder:
        """Add what answers. What is added behind it is never reached.

        `needs` names what no conversion may lose, such as "websocket"; where it is not said, a conversion that loses WebSockets
        is told of in the log. Raises AmbiguousSignature, or TypeError for None.
        """
        self.items.append(_application(application, signature, needs))
        return self

    def map(self, path: str, configure: Any) -> Builder:
        """Let a branch answer below the prefix `path`: an application, or what `configure(branch)` adds to one.

        The branch is built at once. Raises TypeError and ValueError for a wrong prefix, and what building raises (R-MP-02).
        """
        chooser = ByPrefix(judge_prefix(path))
        return self._add_branch(chooser, configure, f"map {path}")

    def map_when(self, predicate: Callable[[Any], Any], configure: Any) -> Builder:
        """As `map`, where `predicate(scope)`, plain or async, says so. Raises TypeError for what cannot be called."""
        if not callable(predicate):
            raise TypeError(f"map_when() takes a predicate that is called with the scope, not {predicate!r}")
        return self._add_branch(ByPredicate(predicate), configure, f"map_when {name_of(predicate)}")

    def use_stage_marker(self, stage: Stage | str) -> Builder:
        """What was added so far runs at `stage` at the latest, in a site whose `builder` this is; elsewhere it does nothing.

        In a branch it is the branch that is placed. Raises ValueError for what is no stage, and for EXECUTE and later ones.
        """
        found = stage_named(stage)
        if found >= Stage.EXECUTE:
            names = ", ".join(each.name for each in Stage if each < Stage.EXECUTE)
            raise ValueError(
                f"no middleware is placed at {found.name}: what it does behind the handler is behind its await. Stages: {names}"
            )
        self._root.items.append(Item(MARKER, found.name, stage=found))
        return self

    def add_conversion(
        self, source: str, target: str, convert: Callable[[Any], Any], *, cost: int = 1, loses: Iterable[str] = ()
    ) -> Builder:
        """Let `convert(application)` make applications of signature `target` of those of `source`.

        A signature is that of a shape ("asgi3", "wsgi" ...) or any text. It is used by what is built from now on. Raises TypeError
        for what cannot be called, ValueError for what cannot be called with one argument.
        """
        if not callable(convert):
            raise TypeError(f"add_conversion() takes a function of one application, not {convert!r}")
        try:
            inspect.signature(convert).bind(None)
        except TypeError as error:
            raise ValueError(f"a conversion is called with one application: {error}") from None
        except ValueError:
            pass  # written in C, without a signature
        self.conversions.add(Conversion(source, target, convert, cost=cost, loses=loses))
        return self

    def build(self, signature: str = Shape.ASGI3) -> Any:
        """One application of `signature`, with everything made anew. Stage markers do nothing here (R-SG-37).

        Raises what the middleware raises, NoConversion where the parts do not fit, TypeError for one that makes None.
        """
        return build_chain(self.items, self.conversions, default_of(self.properties.get(DEFAULT_APP)), str(signature))

    def describe(self) -> str:
        """A table of what was added: order, stage, kind, name, signature and conversions (middleware R-PY-05)."""
        return describe_items(self.items, self.conversions)

    def _add_branch(self, chooser: Any, configure: Any, name: str) -> Builder:
        if configure is None:
            raise TypeError(f"{name}: there is neither an application nor a function (branch), but None")
        item = Item(BRANCH, name, chooser=chooser)
        own, roots = len(self.items), len(self._root.items)
        self.items.append(item)
        try:
            item.branch = BranchSource(self._configured(configure, name).build, name)
        except BaseException:
            # As if nothing had been asked (R-MP-01): neither the branch is there, nor the markers that it has set.
            del self._root.items[roots:]
            del self.items[own:]
            raise
        return self

    def _configured(self, configure: Any, name: str) -> Builder:
        if isinstance(configure, Builder):
            return configure
        branch = self.new()
        if not _is_configure(configure):
            return branch.run(configure)
        made = configure(branch)
        if made is not None and not isinstance(made, Builder) and not branch.items:
            raise TypeError(
                f"{name}: {name_of(configure)} was called with the branch, added nothing to it, and returned {type(made).__name__}. "
                "If it is an application that is called with a context, tag it: native(x), or call its parameter context"
            )
        return branch


def _is_configure(candidate: Any) -> bool:
    if getattr(candidate, "__gateway__", None) is not None or inspect.isclass(candidate):
        return False
    call = find_call(candidate)
    if is_coroutine_function(call):
        return False
    try:
        parameters = [each for each in inspect.signature(call).parameters.values() if each.default is each.empty]
    except (TypeError, ValueError):
        return False
    return len(parameters) == 1 and parameters[0].name not in _OF_REQUESTS


def _application(application: Any, signature: str | None, needs: Iterable[str] | None) -> Item:
    if application is None:
        raise TypeError("run() takes an application, not None")
    name = name_of(application)
    shape = _signature(signature) or str(detect_application(application, name))
    return Item(APPLICATION, name, application=application, produces=shape, needs=needs)


def _signature(given: str | None) -> str | None:
    return None if given is None else str(given)
