"""What a site is made of as frozen models: modules, routes, applications, files, and rules for traces."""

from __future__ import annotations  # types are built when a file is loaded, not when the server starts

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from penstock.settings.forms import (
    FILE_NAME,
    HEADER_VALUE,
    METHOD,
    MODULE_NAME,
    PREFIX,
    REFERENCE,
    SUBPROTOCOL,
    TEMPLATE,
    Status,
)


class ModuleSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[[site.module]]: a module that takes part in every request."""

    use: Annotated[str, REFERENCE, Meta(description="The module's class.", examples=["shop.modules:Greeting"])]
    # ASP.NET: the identity of a module (pipeline A-10)
    name: Annotated[
        str,
        MODULE_NAME,
        Meta(
            description="What it is called in plans, logs and traces; unique, in capitals or not. Empty is its class.",
            examples=["greeting"],
        ),
    ] = ""
    settings: Annotated[
        dict[str, Any],
        Meta(description="Keyword arguments of its constructor.", examples=[{"text": "hi"}]),
    ] = {}


class RouteSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[[site.route]]: what answers one path template; exactly one of function, handler, factory, status and websocket."""

    at: Annotated[
        str,
        TEMPLATE,
        Meta(
            description="Path template; {name} is a segment, {name:int} a whole number, {rest:path} all that is left.",
            examples=["/hello/{name}"],
        ),
    ]
    function: Annotated[
        Annotated[str, REFERENCE] | None, Meta(description="A plain function.", examples=["shop.pages:hello"])
    ] = None
    handler: Annotated[
        Annotated[str, REFERENCE] | None,
        Meta(description="A class, or an object, with `handle` or `handle_async`.", examples=["shop.pages:Cart"]),
    ] = None
    factory: Annotated[
        Annotated[str, REFERENCE] | None,
        Meta(
            description="A class, or an object, whose `get` gives a handler for each request.",
            examples=["shop.pages:Carts"],
        ),
    ] = None
    # IIS maps extensions to handlers that answer 403, 404, 405 and 501 (pipeline H-15)
    status: Annotated[
        Annotated[int, Meta(ge=400, le=599)] | None, Meta(description="The answer is this status.", examples=[404])
    ] = None
    # a WebSocket is not asked for by a method: RFC 6455 section 4.1 says GET
    websocket: Annotated[
        Annotated[str, REFERENCE] | None,
        Meta(description="A coroutine function that is given a WebSocket.", examples=["shop.pages:prices"]),
    ] = None
    # none: a client that asks for one must be told which; that is the application's to say
    subprotocols: Annotated[
        tuple[Annotated[str, SUBPROTOCOL], ...],
        Meta(
            description="Sub-protocols `websocket` speaks, best first: the first that the client offers is agreed to.",
            examples=[["prices.v2", "prices.v1"]],
        ),
    ] = ()
    # Flask and Starlette: GET, and HEAD with it
    methods: Annotated[
        Annotated[tuple[Annotated[str, METHOD], ...], Meta(min_length=1)] | None,
        Meta(
            description='Methods it answers; HEAD comes with GET, and "*" is all. A `status` answers all by default.',
            examples=[["GET", "POST"]],
            extra={"default": ["GET"]},
        ),
    ] = None
    # one object for all requests, as functions are; ASP.NET's IsReusable is off (pipeline R-02)
    lifetime: Annotated[
        Literal["singleton", "per_request"],
        Meta(description="Whether one handler answers all requests, or each request gets one of its own."),
    ] = "singleton"
    settings: Annotated[
        dict[str, Any],
        Meta(
            description="Keyword arguments of the constructor of `handler` or `factory`.",
            examples=[{"currency": "EUR"}],
        ),
    ] = {}
    # a plain function runs on the loop and must not block
    threads: Annotated[
        int, Meta(ge=0, le=1024, description="Runs it in so many threads; 0 runs it on the event loop.")
    ] = 0
    # a thread cannot wait for the loop to read (pipeline H-12)
    preload: Annotated[
        bool | None,
        Meta(
            description="Whether the body is read before it is called; by default with threads only.",
            examples=[True],
        ),
    ] = None
    # nothing is open that a module closes
    allow_anonymous: Annotated[bool, Meta(description="Whether authorization modules let everybody in here.")] = False
    # a function that was begun ends, unless it says that it can be cancelled
    cancel_on_disconnect: Annotated[
        bool, Meta(description="Whether it is cancelled when the client leaves; not with threads.")
    ] = False

    @property
    def label(self) -> str:
        """What answers, for people: "function shop.pages:hello", "status 404"."""
        kinds = (
            ("function", self.function),
            ("handler", self.handler),
            ("factory", self.factory),
            ("websocket", self.websocket),
        )
        return next((f"{kind} {reference}" for kind, reference in kinds if reference), f"status {self.status}")

    @property
    def answered_methods(self) -> tuple[str, ...]:
        """The methods it answers, HEAD with GET; empty for all."""
        if self.websocket:
            return ("GET",)
        methods = self.methods or (("*",) if self.status else ("GET",))
        if "*" in methods:
            return ()
        return (*methods, "HEAD") if "GET" in methods and "HEAD" not in methods else methods

    @property
    def preloads(self) -> bool:
        """Whether the body is read before the function or handler is called (pipeline H-12)."""
        return self.threads > 0 if self.preload is None else self.preload


class AppSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[[site.app]]: an application that answers everything below a path prefix; exactly one of asgi, wsgi, owin and app."""

    at: Annotated[str, PREFIX, Meta(description="Path prefix, compared by whole segments.", examples=["/api"])]
    asgi: Annotated[
        Annotated[str, REFERENCE] | None, Meta(description="An ASGI 3 application.", examples=["shop.api:app"])
    ] = None
    wsgi: Annotated[
        Annotated[str, REFERENCE] | None, Meta(description="A WSGI application.", examples=["shop.wsgi:application"])
    ] = None
    owin: Annotated[
        Annotated[str, REFERENCE] | None, Meta(description="An OWIN application.", examples=["shop.owin:app"])
    ] = None
    app: Annotated[
        Annotated[str, REFERENCE] | None,
        Meta(
            description="An application of any of these shapes, or a function; which one is detected.",
            examples=["shop:app"],
        ),
    ] = None
    # uvicorn --factory: off
    factory: Annotated[bool, Meta(description="Whether the reference is called to get the application.")] = False
    # uvicorn --root-path: empty
    root_path: Annotated[
        str,
        Meta(
            extra={"language": "root_path"},
            extra_json_schema={"pattern": r"^(/[^/{}%?#\\\s]+)*$"},
            description="Path prefix that a proxy took off in front of `at`.",
            examples=["/shop"],
        ),
    ] = ""
    # waitress threads 4
    threads: Annotated[
        int, Meta(ge=0, le=1024, description="WSGI only: threads it runs in; 0 runs it on the event loop.")
    ] = 4
    # IIS application pool queueLength 1000: a burst waits; what never ends is turned away
    queue: Annotated[
        int, Meta(ge=0, description="WSGI only: most requests waiting for a thread; beyond that the answer is 503.")
    ] = 1000
    # none: it runs with all others that name none
    pool: Annotated[
        str,
        Meta(description="The [[pool]] whose processes it runs in; empty is the default one.", examples=["reports"]),
    ] = ""
    # IIS and ASP.NET: App_Offline.htm at the root of an application
    offline_file: Annotated[
        str,
        Meta(
            description="While this file exists, this application is answered with 503 and its content; empty is never.",
            examples=["offline.html"],
        ),
    ] = ""
    # uvicorn offers no http.response.pathsend: widely used compressing middleware breaks where it is offered
    pathsend: Annotated[bool, Meta(description="ASGI only: offers the http.response.pathsend extension.")] = False
    # nothing is open that a module closes
    allow_anonymous: Annotated[bool, Meta(description="Whether authorization modules let everybody in here.")] = False


class TraceSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[[site.trace]]: which requests leave a trace on disk, stage by stage."""

    # IIS failed request tracing: all content
    at: Annotated[str, PREFIX, Meta(description="Path prefix, compared by whole segments.", examples=["/api"])] = "/"
    # bugs are 5xx
    status: Annotated[
        tuple[Status, ...],
        Meta(
            description='Answers that leave a trace, such as 404, "5xx" or "500-599"; an empty array is none.',
            examples=[[404, "500-599"]],
        ),
    ] = ("500-599",)
    # none: which answer is slow, only the operator knows
    slower_than: Annotated[
        float,
        Meta(
            ge=0, le=86_400, description="Seconds beyond which any answer leaves a trace; 0 is never.", examples=[2.0]
        ),
    ] = 0.0


class FilesSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[site.files]: how the files under `root` are served."""

    # nginx index, Apache DirectoryIndex: index.html
    default_documents: Annotated[
        tuple[Annotated[str, FILE_NAME], ...],
        Meta(description="Files that answer for a folder, the first that exists."),
    ] = ("index.html",)
    # none: only a single-page application wants it
    fallback: Annotated[
        str,
        Meta(
            description="File below root that answers unknown paths to clients that accept text/html.",
            examples=["index.html"],
        ),
    ] = ""
    # caddy `precompressed br zstd gzip`
    precompressed: Annotated[
        tuple[Literal["br", "zst", "gz"], ...],
        Meta(description="Endings of compressed files that may lie beside a file, in order of preference."),
    ] = ("br", "zst", "gz")
    # nginx, Apache: none; the validators do the work
    cache_control: Annotated[
        str,
        HEADER_VALUE,
        Meta(description="Cache-Control header of files; empty sends none.", examples=["public, max-age=3600"]),
    ] = ""
    # Apache CacheSize and IIS kernel cache are of this order: 64 MB
    cache_size: Annotated[int, Meta(ge=0, description="Bytes of small files kept in memory; 0 keeps none.")] = (
        64_000_000
    )
    # Apache Options -FollowSymLinks: a link out of the root is not followed
    follow_symlinks: Annotated[bool, Meta(description="Whether symbolic links may lead out of root.")] = False
