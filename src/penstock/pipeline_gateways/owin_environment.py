"""OwinEnvironment: a request as OWIN hands it to an application, a dictionary over its context (websockets section 2.7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final

from penstock.errors import ContractError
from penstock.http.headers import Headers
from penstock.intake.worker_request import Address, Capability
from penstock.pipeline.context import Context
from penstock.pipeline.principal import ANONYMOUS, Principal
from penstock.pipeline_gateways.owin_streams import OwinHeaders, RequestBody, ResponseBody
from penstock.pipeline_gateways.owin_websockets import accept_deferred, accept_inline, call_token
from penstock.request_sockets.owin_options import ACCEPT, ACCEPT_INLINE, CALL_CANCELLED, RESPONSE_HEADERS, STATUS

# The context itself, for the way back (websockets CO-61).
CONTEXT: Final = "penstock.pipeline.context.Context"


class OwinEnvironment(MutableMapping[str, Any]):
    """The keys of OWIN 1.0, live: status, reason, response headers and user write through to the context.

    What else is set stays in the environment, also in place of a key that the context would answer: middleware may replace a
    body, or take a part off the path. Setting None removes a key. What is not known is not there (websockets CO-53).
    """

    __slots__ = ("_gone", "_items", "context", "path_base")

    def __init__(self, context: Context, path_base: str = "", *, at: str = "") -> None:
        """`at` is where the application is mounted, without a slash behind; `path_base` what OWIN is told of that."""
        self.context = context
        self.path_base = path_base
        self._gone: set[str] = set()
        self._items: dict[str, Any] = {"owin.Version": "1.0", CONTEXT: context, "owin.RequestPathBase": path_base}
        path = context.request.path
        if path.startswith(at) and path[len(at) : len(at) + 1] in ("", "/"):
            path = path[len(at) :]
        self._items["owin.RequestPath"] = path

    def __getitem__(self, key: str) -> Any:
        items = self._items
        if key in items:
            return items[key]
        read = _LIVE.get(key)
        value = None if read is None or key in self._gone else read(self.context)
        if value is None:
            raise KeyError(key)
        if key in _KEPT:
            items[key] = value
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        """Raises what the context raises for a status, reason, header or user that it does not take."""
        write = _WRITTEN.get(key)
        if write is not None and key not in self._gone and value is not None:
            write(self.context, value)
        elif value is None:
            self.pop(key, None)
        else:
            self._items[key] = value

    def __delitem__(self, key: str) -> None:
        is_kept = self._items.pop(key, None) is not None
        if key in _LIVE and key not in self._gone:
            self._gone.add(key)
        elif not is_kept:
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        kept = dict.fromkeys(self._items)  # what is looked at meanwhile may be kept, too
        return iter([*kept, *[key for key in _LIVE if key not in kept and key in self]])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<OwinEnvironment of {self.context.request.method} {self.context.request.path}>"


# -- what is read from the context, None where it is not known ---------------------------------------------------------------


def _request_headers(context: Context) -> OwinHeaders:
    return OwinHeaders(Headers(context.worker_request.head.headers.copy()))


def _user(context: Context) -> Principal | None:
    return None if context.principal is ANONYMOUS else context.principal


def _part(address: Address | None, at: int) -> str | None:
    value = None if address is None else address[at]
    return None if value is None else str(value)


def _register(context: Context) -> Callable[..., None]:
    def on_sending_headers(callback: Callable[[Any], object], state: object = None) -> None:
        """Call `callback(state)` once, just before the head leaves; the last registered comes first."""

        def call(_: object) -> None:
            callback(state)

        context.response.on_sending_headers(call)

    return on_sending_headers


def _send_file(context: Context) -> Callable[..., Awaitable[None]]:
    async def send_file(path: str, offset: int = 0, count: int | None = None, cancel: object = None) -> None:
        """Answer with that part of a file, once the pipeline has unwound. Raises what `Response.send_file` raises."""
        context.response.send_file(path, offset, count)

    return send_file


def _capabilities(context: Context) -> dict[str, Any]:
    can = {"sendfile.Version": "1.0"}
    if Capability.UPGRADE in context.worker_request.capabilities:
        can["websocket.Version"] = "1.0"
    return can


_LIVE: Final[dict[str, Callable[[Context], Any]]] = {
    "owin.RequestMethod": lambda context: context.request.method,
    "owin.RequestScheme": lambda context: context.request.scheme,
    "owin.RequestQueryString": lambda context: context.request.query_string.decode("latin-1"),
    "owin.RequestProtocol": lambda context: "HTTP/" + context.worker_request.head.version,
    "owin.RequestHeaders": _request_headers,
    "owin.RequestBody": lambda context: RequestBody(context.request),
    "owin.RequestUser": _user,
    STATUS: lambda context: context.response.status_code,
    "owin.ResponseReasonPhrase": lambda context: context.response.reason,
    RESPONSE_HEADERS: lambda context: OwinHeaders(context.response.headers),
    "owin.ResponseBody": lambda context: ResponseBody(context.response),
    CALL_CANCELLED: call_token,
    "server.User": _user,
    "server.RemoteIpAddress": lambda context: _part(context.worker_request.client, 0),
    "server.RemotePort": lambda context: _part(context.worker_request.client, 1),
    "server.LocalIpAddress": lambda context: _part(context.worker_request.server, 0),
    "server.LocalPort": lambda context: _part(context.worker_request.server, 1),
    "server.OnSendingHeaders": _register,
    "server.Capabilities": _capabilities,
    "sendfile.SendAsync": _send_file,
    "host.OnAppDisposing": lambda context: context.stopping,
    ACCEPT: accept_deferred,
    ACCEPT_INLINE: accept_inline,
}

# What is made when it is first asked for, and then is the same.
_KEPT: Final = frozenset(
    {"owin.RequestHeaders", "owin.RequestBody", "owin.ResponseBody", "server.Capabilities", CALL_CANCELLED}
)


# -- what is written to the context ------------------------------------------------------------------------------------------


def _write_status(context: Context, status: Any) -> None:
    if status != 101:
        context.response.status = status
    elif not context.websockets.is_upgrading:
        raise ContractError("status 101 is set by websocket.Accept, not by hand")  # websockets CO-35, DV-22
    elif context.response.status_code != 101:
        raise ContractError("the WebSocket was taken back by another status; that cannot be undone")


def _write_reason(context: Context, reason: Any) -> None:
    context.response.reason = reason


def _write_headers(context: Context, fields: Any) -> None:
    headers = OwinHeaders(context.response.headers)
    fields = {name: list(values) for name, values in fields.items()}
    headers.clear()
    headers.update(fields)


def _write_user(context: Context, user: Any) -> None:
    if not isinstance(user, Principal):
        raise TypeError(f"a user is a penstock.Principal, not {type(user).__name__!r}")
    context.principal = user


_WRITTEN: Final[dict[str, Callable[[Context, Any], None]]] = {
    STATUS: _write_status,
    "owin.ResponseReasonPhrase": _write_reason,
    RESPONSE_HEADERS: _write_headers,
    "owin.RequestUser": _write_user,
    "server.User": _write_user,
}
