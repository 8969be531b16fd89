"""From settings to targets: what a route, an application or the files of a site become in the pipeline."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from penstock.errors import ConfigurationError, Problem, StartupError
from penstock.pipeline.body_preload import preload_body
from penstock.pipeline.handler import Handler, execute_step
from penstock.pipeline.routes import Template
from penstock.pipeline.starting import call_action
from penstock.pipeline.target import Target

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.request_handlers.handlers import Singleton
    from penstock.settings import AppSettings, BackendSettings, FilesSettings, RouteSettings

# Gives what an import reference names. Raises ConfigurationError where there is no such thing.
Load = Callable[[str], object]


def route_target(settings: RouteSettings, load: Load) -> Target:
    """What a route leads to. Raises ConfigurationError."""
    if settings.status is not None:
        from penstock.request_handlers.status_handlers import status_handler

        handler = status_handler(settings.status)
        return _target_of(settings, handler, shown=handler)
    if settings.function:
        return _function_target(settings, load)
    if settings.websocket:
        return _websocket_target(settings, load)
    return _handler_target(settings, load)


def app_target(settings: AppSettings, load: Load) -> Target:
    """What a mounted application becomes. Raises ConfigurationError, and StartupError when its factory fails."""
    reference = settings.asgi or settings.wsgi or settings.owin or settings.app or ""
    application: Any = load(reference)
    if settings.factory:
        application = _call_factory(application, reference)
    if settings.app and getattr(application, "__signature_id__", None) == "wsgi":
        # A chain of a Builder, whose threads are those of here (middleware R-PY-11).
        application = application.__wrapped_app__
    said = "asgi3" if settings.asgi else "wsgi" if settings.wsgi else "owin" if settings.owin else ""
    shape = said if said and callable(application) else _detect(application, reference)
    if shape == "wsgi":
        return _wsgi_target(application, settings, reference)
    if shape == "owin":
        return _owin_target(application, settings, reference)
    if shape in ("native", "websocket"):
        return _mounted_function(application, settings, reference, is_socket=shape == "websocket")
    return _asgi_target(application, settings, reference)


def proxy_target(settings: BackendSettings) -> Target:
    """What passes requests on to other servers."""
    from penstock.request_handlers.proxy import Proxy

    proxy = Proxy(settings)
    return Target(
        settings.label,
        settings.at,
        proxy.execute,
        finish=proxy.finish,
        handler=proxy,
        allow_anonymous=settings.allow_anonymous,
        on_start=proxy.start,
        on_stop=proxy.stop,
    )


def files_target(root: str, settings: FilesSettings) -> Target:
    """What answers with the files below `root`. Raises ConfigurationError."""
    from msgspec.structs import asdict

    from penstock.request_handlers.static_files import StaticFiles

    files = StaticFiles(root, **asdict(settings))
    return Target(
        f"files {root}",
        "/",
        files,
        handler=files,
        map_handler=files.map_handler,
        only_for_rules=True,
        needs="read",
    )


def function_step(reference: str, load: Load) -> Callable[[Context], Any]:
    """The step of stage EXECUTE that calls a function. Raises ConfigurationError."""
    from penstock.request_handlers.functions import function_handler

    return execute_step(function_handler(_load_function(reference, load)))


# -- routes --------------------------------------------------------------------------------------------------------------


def _function_target(settings: RouteSettings, load: Load) -> Target:
    from penstock.request_handlers.functions import function_handler

    function = _load_function(settings.function or "", load)
    return _target_of(settings, function_handler(function, Template(settings.at).names), shown=function)


def _load_function(reference: str, load: Load) -> Callable[..., object]:
    function: Any = load(reference)
    if not callable(function):
        kind = type(function).__name__
        raise ConfigurationError([Problem(f"{reference} is {kind!r}, which cannot be called: name a function")])
    return cast("Callable[..., object]", function)


def _websocket_target(settings: RouteSettings, load: Load) -> Target:
    from penstock.request_handlers.websocket_endpoint import websocket_handler

    function = load(settings.websocket or "")
    handler = websocket_handler(
        function, Template(settings.at).names, subprotocols=settings.subprotocols, label=settings.label
    )
    return _target_of(settings, handler, shown=function)


def _handler_target(settings: RouteSettings, load: Load) -> Target:
    from penstock.request_handlers.handlers import FromFactory, Maker, PerRequest, SingletonHandler, handle_mapped

    maker = Maker(load(settings.handler or settings.factory or ""), settings.settings, settings.label)
    if settings.factory:
        factory = FromFactory(maker)
        return _with_life(_target_of(settings, handle_mapped, map_handler=factory.map), factory)
    if settings.lifetime == "per_request":
        return _target_of(settings, handle_mapped, map_handler=PerRequest(maker).map)
    singleton = SingletonHandler(maker)
    return _with_life(_target_of(settings, singleton.handle), singleton, is_shown=True)


def _target_of(settings: RouteSettings, handler: Handler, *, shown: object = None, map_handler: Any = None) -> Target:
    """The target of a route that `handler` answers, on the loop or in threads; `shown` is what people know it as."""
    execute: Any
    threaded = None
    if settings.threads:
        from penstock.request_handlers.threaded_functions import ThreadedFunction

        threaded = ThreadedFunction(handler, settings.threads)
        execute = threaded.execute
    else:
        execute = execute_step(handler)
    return Target(
        settings.label,
        settings.at,
        execute,
        template=Template(settings.at),
        methods=settings.answered_methods,
        handler=shown,
        map_handler=map_handler,
        preload=preload_body if settings.preloads else None,
        allow_anonymous=settings.allow_anonymous,
        cancel_on_disconnect=settings.cancel_on_disconnect,
        on_start=None if threaded is None else threaded.start,
        on_stop=None if threaded is None else threaded.stop,
    )


def _with_life(target: Target, singleton: Singleton, *, is_shown: bool = False) -> Target:
    """The target starts after `singleton` and stops before it; what was made is `context.handler` if it `is_shown`."""
    start, stop = target.on_start, target.on_stop

    async def start_both() -> None:
        await singleton.start()
        if is_shown:
            target.handler = singleton.made
        if start is not None:
            await call_action(start)

    async def stop_both() -> None:
        try:
            if stop is not None:
                await call_action(stop)
        finally:
            await singleton.stop()

    target.on_start, target.on_stop = start_both, stop_both
    return target


# -- applications --------------------------------------------------------------------------------------------------------


def _asgi_target(application: Any, settings: AppSettings, reference: str) -> Target:
    from penstock.pipeline_gateways.asgi import AsgiGateway
    from penstock.pipeline_gateways.lifespan import Lifespan

    gateway = AsgiGateway(application, at=settings.at, root_path=settings.root_path, offers_pathsend=settings.pathsend)
    name = f"ASGI {reference}"
    lifespan = Lifespan(gateway, name)
    return Target(
        name,
        settings.at,
        gateway.execute,
        finish=gateway.finish,
        handler=application,
        allow_anonymous=settings.allow_anonymous,
        on_start=lifespan.start,
        on_stop=lifespan.stop,
    )


def _mounted_function(function: Any, settings: AppSettings, reference: str, *, is_socket: bool) -> Target:
    """A function that answers every path below its prefix, with an answer or with a WebSocket."""
    if is_socket:
        from penstock.request_handlers.websocket_endpoint import websocket_handler

        name = f"websocket {reference}"
        handler = websocket_handler(function, label=name)
    else:
        from penstock.request_handlers.functions import function_handler

        name = f"function {reference}"
        handler = function_handler(function)
    return Target(
        name,
        settings.at,
        execute_step(handler),
        handler=function,
        allow_anonymous=settings.allow_anonymous,
    )


def _wsgi_target(application: Any, settings: AppSettings, reference: str) -> Target:
    from penstock.pipeline_gateways.wsgi import WsgiGateway

    gateway = WsgiGateway(
        application,
        at=settings.at,
        root_path=settings.root_path,
        threads=settings.threads,
        queue=settings.queue,
    )
    return Target(
        f"WSGI {reference}",
        settings.at,
        gateway.execute,
        finish=gateway.finish,
        handler=application,
        allow_anonymous=settings.allow_anonymous,
        on_start=gateway.start,
        on_stop=gateway.stop,
    )


def _owin_target(application: Any, settings: AppSettings, reference: str) -> Target:
    from penstock.pipeline_gateways.owin import OwinGateway

    return Target(
        f"OWIN {reference}",
        settings.at,
        OwinGateway(application, at=settings.at, root_path=settings.root_path).execute,
        handler=application,
        allow_anonymous=settings.allow_anonymous,
    )


def _detect(application: object, reference: str) -> str:
    from penstock.pipeline_gateways.shapes import Shape, detect_shape

    shape = detect_shape(application, reference)
    if shape in (Shape.ASGI2, Shape.RSGI):
        raise ConfigurationError(
            [
                Problem(
                    f"{reference} is an {shape.value.upper()} application; Penstock serves ASGI 3, WSGI, OWIN and functions"
                )
            ]
        )
    return str(shape.value)


def _call_factory(factory: Any, reference: str) -> object:
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise ConfigurationError(
            [Problem(f"the factory {reference} cannot be called without arguments: {error}")]
        ) from error
    except ValueError:
        pass  # written in C, without a signature
    try:
        return factory()
    except Exception as error:
        raise StartupError(f"the factory {reference} failed: {error}") from error
