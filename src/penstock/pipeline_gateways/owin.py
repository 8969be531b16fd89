"""The gateway to OWIN applications: `async def app(environment)`, at a place in the site or inside other styles.

An OWIN application inside the site is called with an environment over the context of its request. Inside of OWIN, `OwinEndpoint`
leads back to endpoints of the pipeline's own style, on Penstock and on any other server of OWIN.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from penstock.pipeline.context import Context
from penstock.pipeline.handler import respond
from penstock.pipeline_gateways.owin_environment import CONTEXT, OwinEnvironment
from penstock.pipeline_gateways.owin_features import OwinContext
from penstock.request_sockets.owin_options import Environment, OwinApplication

# Where the environment is kept while a request is led out of OWIN, for the case that it is led in again.
_KEPT: Final = "owin.Environment"


class OwinGateway:
    """An OWIN application at a place in the site.

    `at` is where it is mounted ("" for the root), `root_path` what a proxy in front took off before it.
    """

    __slots__ = ("_at", "_path_base", "application")

    def __init__(self, application: OwinApplication, *, at: str = "", root_path: str = "") -> None:
        self.application = application
        self._at = at.rstrip("/")
        self._path_base = root_path.rstrip("/") + self._at

    def execute(self, context: Context) -> Awaitable[None]:
        """The step of stage EXECUTE: call the application. One that is inside of OWIN already gets the same environment."""
        items = None if context.known is None else context.known.items
        environment = None if items is None else items.get(_KEPT)
        if environment is None:
            environment = OwinEnvironment(context, self._path_base, at=self._at)
        return self.application(environment)


class OwinEndpoint:
    """An OWIN application that calls an endpoint in Penstock's own style: `endpoint(context)`, plain or async.

    On Penstock the context is the request's own, so that `context.websockets.accept` is the pipeline's (websockets CO-83,
    CO-84); elsewhere it is a view of the environment, see `OwinContext`. What the endpoint returns is answered.
    """

    __slots__ = ("_endpoint",)

    def __init__(self, endpoint: Callable[[Any], object]) -> None:
        if not callable(endpoint):
            raise TypeError(f"an endpoint is called with the context, {endpoint!r} cannot be called")
        self._endpoint = endpoint

    async def __call__(self, environment: Environment) -> None:
        """Call the endpoint, and answer with what it returns."""
        context = environment.get(CONTEXT)
        if not isinstance(context, Context):
            await OwinContext(environment).answer_with(self._endpoint)
            return
        context.items[_KEPT] = environment  # websockets CO-81
        value: Any = self._endpoint(context)
        if hasattr(value, "__await__"):
            value = await value
        if not context.is_over:
            respond(context, value)
