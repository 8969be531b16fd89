"""The graph of conversions between signatures, with ASGI 3 as its hub: what each costs, and what gets lost (middleware 15.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from penstock.pipeline_gateways.as_native import AsgiAsNative
from penstock.pipeline_gateways.asgi_in_wsgi import AsgiInWsgi
from penstock.pipeline_gateways.double_callable import Double, Single
from penstock.pipeline_gateways.hosted import host_native, host_owin, host_wsgi
from penstock.pipeline_gateways.middleware_errors import NoConversion

Convert = Callable[[Any], Any]

# A thread hop is dear: so much more than anything on the loop.
_THREAD: Final = 100
_CONTEXT: Final = 10


class Conversion:
    """One edge of the graph: `convert(application)` makes an application of `target` of one of `source`.

    `cost` is compared with those of others; `loses` names what cannot pass, such as "websocket".
    """

    __slots__ = ("convert", "cost", "loses", "source", "target")

    def __init__(self, source: str, target: str, convert: Convert, *, cost: int = 1, loses: Iterable[str] = ()) -> None:
        self.source = source
        self.target = target
        self.convert = convert
        self.cost = cost
        self.loses = frozenset(loses)


class Conversions:
    """All conversions that a builder and its branches know, in the order in which they were added."""

    __slots__ = ("_edges",)

    def __init__(self) -> None:
        self._edges: dict[tuple[str, str], Conversion] = {}
        for each in (
            Conversion("asgi2", "asgi3", Double),
            Conversion("asgi3", "asgi2", Single),
            Conversion("native", "asgi3", host_native, cost=_CONTEXT),
            Conversion("asgi3", "native", AsgiAsNative, cost=_CONTEXT, loses=("websocket",)),
            Conversion("owin", "asgi3", host_owin, cost=_CONTEXT),
            Conversion("wsgi", "asgi3", host_wsgi, cost=_THREAD),
            Conversion(
                "asgi3", "wsgi", AsgiInWsgi, cost=_THREAD, loses=("websocket", "trailers", "early disconnect", "duplex")
            ),
        ):
            self.add(each)

    def add(self, conversion: Conversion) -> None:
        """One more; it stands in place of one between the same two (middleware R-AB-10)."""
        self._edges[conversion.source, conversion.target] = conversion

    def find_path(self, source: str, target: str) -> Sequence[Conversion] | None:
        """The way with the fewest losses, then the lowest cost, then the fewest steps, then the oldest; None if none leads there.

        Nothing is called (middleware R-PY-10).
        """
        if source == target:
            return ()
        found: Sequence[Conversion] | None = None
        for path in self._paths_from(source, (source,)):
            if path[-1].target == target and (found is None or _rank(path) < _rank(found)):
                found = path
        return found

    def reachable(self, source: str) -> list[str]:
        """The signatures that `source` can become."""
        return list(dict.fromkeys([path[-1].target for path in self._paths_from(source, (source,))]))

    def convert(self, application: Any, source: str, target: str, *, name: str, needs: Iterable[str] = ()) -> Any:
        """`application`, whose signature is `source`, as one of `target`; what was converted before is unwrapped (R-PY-11).

        Raises NoConversion where no way leads there, naming both ends and what can be reached (R-PY-13), and where the way
        would lose what is needed, naming that.
        """
        path = self.path_to(application, source, target, name=name, needs=needs)
        if path is None:
            return unwrapped(application, target)
        for step in path:
            application = step.convert(application)
            if application is None:
                raise TypeError(f"the conversion from {step.source} to {step.target} made None of {name}")
        return application

    def path_to(
        self, application: Any, source: str, target: str, *, name: str, needs: Iterable[str] = ()
    ) -> Sequence[Conversion] | None:
        """The way that `convert` goes; None where it unwraps. Raises as that does."""
        if source != target and unwrapped(application, target) is not None:
            return None
        path = self.find_path(source, target)
        if path is None:
            reachable = ", ".join(self.reachable(source)) or "nothing"
            raise NoConversion(
                f"{name} is of signature {source!r}, and nothing makes {target!r} of that; it can become: {reachable}. "
                "add_conversion() adds a way"
            )
        lost = sorted(losses_of(path).intersection(needs))
        if lost:
            way = " -> ".join([source, *[step.target for step in path]])
            raise NoConversion(f"{name} needs {', '.join(lost)}, which the conversion {way} would lose")
        return path

    def _paths_from(self, source: str, seen: tuple[str, ...]) -> Iterable[tuple[Conversion, ...]]:
        found: list[tuple[Conversion, ...]] = []
        for edge in self._edges.values():
            if edge.source == source and edge.target not in seen:
                found.append((edge,))
                found += [(edge, *rest) for rest in self._paths_from(edge.target, (*seen, edge.target))]
        return found


def losses_of(path: Sequence[Conversion]) -> frozenset[str]:
    """What gets lost on the way."""
    lost: frozenset[str] = frozenset()
    for step in path:
        lost |= step.loses
    return lost


def unwrapped(application: Any, target: str) -> Any:
    """What was wrapped to become `application`, if that has the signature `target`; else None."""
    if getattr(application, "__signature_id__", None) == target:
        return getattr(application, "__wrapped_app__", None)
    return None


def _rank(path: Sequence[Conversion]) -> tuple[int, int, int]:
    return len(losses_of(path)), sum([step.cost for step in path]), len(path)
