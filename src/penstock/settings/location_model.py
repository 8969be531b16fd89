"""[[site.location]] as frozen models: the rules that hold for everything below a path prefix."""

from __future__ import annotations  # types are built when a file is loaded, not when the server starts

from typing import Annotated, Literal

from msgspec import Meta, Struct

from penstock.settings.forms import EXTENSION, METHOD, PATH, PREFIX, REFERENCE, SEGMENT, Headers, Status
from penstock.settings.middleware_model import MiddlewareSettings
from penstock.settings.site_model import ModuleSettings
from penstock.settings.websocket_model import WebSocketSettings


class LocationLimitSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """limits = { ... } of a location: those of the limits that can be refined by path."""

    body: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Largest request body below this location, in bytes; may be more than the server's.",
            examples=[1_000_000],
        ),
    ] = None
    deadline: Annotated[
        Annotated[float, Meta(ge=0, le=86_400)] | None,
        Meta(description="Seconds from arrival to the head of the answer, else 504; 0 means none.", examples=[300.0]),
    ] = None
    form_fields: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="Most fields and files of one form; more are answered 400.", examples=[5000]),
    ] = None
    form_memory: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="Bytes of an upload that are kept in memory; what is beyond goes to disk.", examples=[1_000_000]
        ),
    ] = None


class FilteringSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """filtering = { ... } of a location: requests that are refused before any module sees them; nothing by default."""

    path: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Longest path, in characters; a longer one is answered 414, and 0 is any.", examples=[260]),
    ] = None
    url: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="Longest path as sent, in bytes; a longer one is answered 414, and 0 is any.", examples=[4096]
        ),
    ] = None
    query: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Longest query, in bytes; a longer one is answered 414, and 0 is any.", examples=[2048]),
    ] = None
    characters: Annotated[
        str | None,
        Meta(description="Characters that no path may have; answered 400.", examples=["<>*%&:\\?"]),
    ] = None
    methods: Annotated[
        tuple[Annotated[str, METHOD], ...] | None,
        Meta(
            description="Methods that are let in, others are answered 405; an empty array is all.",
            examples=[["GET", "HEAD", "POST"]],
        ),
    ] = None
    extensions: Annotated[
        tuple[Annotated[str, EXTENSION], ...] | None,
        Meta(description="Endings of paths that are answered 404.", examples=[[".py", ".bak"]]),
    ] = None
    hidden_segments: Annotated[
        tuple[Annotated[str, SEGMENT], ...] | None,
        Meta(description="Segments of paths that are answered 404.", examples=[["node_modules", "bin"]]),
    ] = None
    sequences: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...] | None,
        Meta(description="Texts within paths that are answered 404.", examples=[["/internal/", "~"]]),
    ] = None
    double_escaped: Annotated[
        bool | None, Meta(description="Whether paths that are percent-encoded twice are answered 400.", examples=[True])
    ] = None
    high_bit: Annotated[
        bool | None, Meta(description="Whether paths with characters beyond ASCII are answered 400.", examples=[True])
    ] = None


class ErrorSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """errors = [ ... ] of a location: what is shown instead of the plain answer; exactly one of file, function and path."""

    status: Annotated[
        tuple[Status, ...],
        Meta(
            min_length=1,
            description='Answers it is for, such as 404, "5xx" or "500-599"; the most specific wins.',
            examples=[[404, "5xx"]],
        ),
    ]
    file: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="File that is the answer's body, relative to the site file.", examples=["errors/404.html"]),
    ] = None
    function: Annotated[
        Annotated[str, REFERENCE] | None,
        Meta(description="Function that makes the body.", examples=["shop.pages:oops"]),
    ] = None
    path: Annotated[
        Annotated[str, PATH] | None,
        Meta(description="Path of this site that answers instead; the status stays.", examples=["/oops"]),
    ] = None


class LocationSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[[site.location]]: rules for everything below a path prefix, whatever answers; children inherit and refine."""

    at: Annotated[str, PREFIX, Meta(description="Path prefix, compared by whole segments.", examples=["/admin"])]
    limits: Annotated[
        LocationLimitSettings, Meta(description="Limits that differ here.", examples=[{"body": 1_000_000}])
    ] = LocationLimitSettings()
    headers: Annotated[
        Headers,
        Meta(description="Headers set on every answer below; a child's wins.", examples=[{"x-frame-options": "DENY"}]),
    ] = {}
    access_log: Annotated[
        bool | None, Meta(description="Whether answers below are written to the access log; inherited if not given.")
    ] = None
    modules: Annotated[
        tuple[ModuleSettings, ...],
        Meta(
            description="Modules added to those of the site and of the parents; they cannot hook the BEGIN stage.",
            examples=[[{"use": "shop.modules:Audit"}]],
        ),
    ] = ()
    middleware: Annotated[
        tuple[MiddlewareSettings, ...],
        Meta(
            description="Middleware added behind that of the site, of the parents, and the modules; not at `begin`.",
            examples=[[{"use": "shop.asgi:Timing", "stage": "authorize"}]],
        ),
    ] = ()
    # IIS accessPolicy="Read, Script" (pipeline H-09)
    access: Annotated[
        tuple[Literal["read", "script"], ...] | None,
        Meta(
            description='What may answer: "read" files, "script" functions, handlers and applications; 403 otherwise.',
            examples=[["read"]],
        ),
    ] = None
    # the character and length rules break ordinary applications: none unless asked for (pipeline L-01)
    filtering: Annotated[
        FilteringSettings,
        Meta(description="Requests that are refused before any module sees them.", examples=[{"extensions": [".py"]}]),
    ] = FilteringSettings()
    websockets: Annotated[
        WebSocketSettings,
        Meta(
            description="Rules for the WebSockets below.",
            examples=[{"origins": ["https://example.org"]}],
        ),
    ] = WebSocketSettings()
    error_format: Annotated[
        Literal["negotiated", "html", "json", "problem", "text"] | None,
        Meta(
            description='Form of error answers: what the client accepts ("negotiated"), or always this one.',
            examples=["problem"],
        ),
    ] = None
    errors: Annotated[
        tuple[ErrorSettings, ...],
        Meta(
            description="What is shown instead of the plain error answer; tried before those of the parents.",
            examples=[[{"status": [404], "file": "errors/404.html"}]],
        ),
    ] = ()
