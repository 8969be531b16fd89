"""An application that Penstock runs as a step of a plan - WSGI's, native ones, OWIN's - called as an ASGI 3 application is.

It gets a small site of its own behind `scope`, `receive` and `send`, so that everything that holds for it in a site holds here
too: the threads of WSGI, their bounds, what becomes of errors and of clients that leave (middleware section 15.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from contextvars import copy_context
from typing import Any, ClassVar, Final
from urllib.parse import quote

from penstock.errors import RequestRejected
from penstock.http.foreign_head import foreign_head, foreign_line
from penstock.http.messages import RequestHead
from penstock.intake.asgi_request import AsgiRequest
from penstock.intake.runtime import Runtime
from penstock.pipeline.context import Context
from penstock.pipeline.handler import execute_step
from penstock.pipeline.location import Location
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.target import Target
from penstock.pipeline_gateways.asgi_application import Receive, Send
from penstock.pipeline_gateways.wsgi import WsgiGateway
from penstock.pipeline_gateways.wsgi_answer import Environ, StartResponse, WsgiApplication
from penstock.pipeline_gateways.wsgi_environ import reread

Scope = MutableMapping[str, Any]

# Whoever hosts the chain has limits of its own, and these are not those.
_ANY: Final = 1 << 30
# RFC 3986 section 3.3: pchar, and the slash between segments.
_PATH_SAFE: Final = "/:@!$&'()*+,;=~"


class HostedRequest(AsgiRequest):
    """A request that remembers its scope."""

    __slots__ = ("scope",)

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, head: RequestHead) -> None:
        super().__init__(scope, receive, send, head=head)
        self.scope = scope


class Hosted:
    """What the target of `make_target` answers with, as ASGI 3. `__wrapped_app__` is the application that was converted.

    Each event loop that calls it gets a target of its own: threads and their queues belong to one loop. `inner` is what has a
    lifespan of its own behind it, if there is such a thing.
    """

    __slots__ = ("__signature_id__", "__wrapped_app__", "_inner", "_make_target", "_runtimes")

    __gateway__: ClassVar[str] = "asgi3"
    _asgi_single_callable: ClassVar[bool] = True

    def __init__(self, application: Any, signature: str, make_target: Callable[[], Target], inner: Any = None) -> None:
        self.__wrapped_app__ = application
        self.__signature_id__ = signature
        self._make_target = make_target
        self._inner = inner
        self._runtimes: dict[asyncio.AbstractEventLoop, Runtime] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the whole life of the application. WebSockets are refused with 403 (middleware 15.4, 15.8)."""
        kind = scope["type"]
        if kind == "http":
            await self._answer(scope, receive, send)
        elif kind == "lifespan":
            await self._live(scope, receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
        else:
            raise ValueError(f"no application of this shape answers {kind!r}")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        runtime = await self._running()
        try:
            request = HostedRequest(scope, receive, send, head=head_of(scope))
        except RequestRejected as error:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": error.status, "headers": headers})
            await send({"type": "http.response.body", "body": f"{error.status} {error.detail}\n".encode()})
            return
        request.started = runtime.loop.time()
        runtime.variables = copy_context()  # what middleware around it has set is seen inside (middleware R-IP-23)
        runtime.process(request)
        await request.finish()

    async def _running(self) -> Runtime:
        loop = asyncio.get_running_loop()
        runtime = self._runtimes.get(loop)
        if runtime is None:
            site = PipelineSite(mounts=[self._make_target()], locations=[Location("/", body_limit=_ANY)])
            runtime = Runtime([site], requests_inside=_ANY)
            for each in [each for each in self._runtimes if each.is_closed()]:
                del self._runtimes[each]
            self._runtimes[loop] = runtime
            await runtime.start()
        return runtime

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._inner is not None:
            await self._inner(scope, receive, send)
            return
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                runtime = self._runtimes.pop(asyncio.get_running_loop(), None)
                if runtime is not None:
                    await runtime.stop()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


def head_of(scope: Scope) -> RequestHead:
    """The head that a scope says, judged. Raises RequestRejected."""
    raw_path: bytes = scope.get("raw_path") or quote(scope["path"], safe=_PATH_SAFE).encode("ascii")
    line = foreign_line(
        scope["method"], raw_path, scope.get("query_string", b""), version=scope.get("http_version", "1.1")
    )
    headers = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
    return foreign_head(line, headers, may_have_body=line.version[:1] != "1" and scope["method"] not in ("GET", "HEAD"))


# -- what is hosted ------------------------------------------------------------------------------------------------------


def host_wsgi(application: WsgiApplication, *, threads: int = 4, queue: int = 1000) -> Hosted:
    """A WSGI application in `threads` of its own; `queue` requests may wait for one, the next is answered with 503."""

    def make_target() -> Target:
        gateway = WsgiGateway(Rooted(application), threads=threads, queue=queue)
        return Target("WSGI application", "/", gateway.execute, on_start=gateway.start, on_stop=gateway.stop)

    return Hosted(application, "wsgi", make_target)


def host_native(application: Callable[[Context], Any]) -> Hosted:
    """An application (context); what it returns is the answer, as of a function in a site."""
    inner = getattr(application, "__inner__", None)
    return Hosted(application, "native", lambda: Target("application", "/", execute_step(_called(application))), inner)


def host_owin(application: Any) -> Hosted:
    """An OWIN application (environment)."""
    from penstock.pipeline_gateways.owin import OwinGateway

    return Hosted(application, "owin", lambda: Target("OWIN application", "/", OwinGateway(application).execute))


def _called(application: Any) -> Callable[[Context], Any]:
    found: Callable[[Context], Any] = (
        application.invoke if callable(getattr(application, "invoke", None)) else application
    )
    return found


class Rooted:
    """A WSGI application below the `root_path` of the scope: SCRIPT_NAME, and PATH_INFO behind it (middleware 15.4)."""

    __slots__ = ("_application",)

    def __init__(self, application: WsgiApplication) -> None:
        self._application = application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Any:
        """One request. A path beside the root stays whole: `/ab` is not below `/a`."""
        request = environ["penstock.context"].worker_request
        scope = request.scope
        root: str = scope.get("root_path", "")
        path: str = environ["PATH_INFO"]
        mount = reread(root)
        if mount and path.startswith(mount) and path[len(mount) : len(mount) + 1] in ("", "/"):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = mount, path[len(mount) :]
        elif mount:
            environ["SCRIPT_NAME"] = mount
        environ["asgi.scope"] = scope
        return self._application(environ, start_response)
