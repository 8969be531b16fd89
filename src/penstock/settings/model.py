"""The site file as frozen models: every key, its type, its limits, its default and where that default comes from.

Attributes are named like the keys of the file, except that arrays of tables are plural: `[[site.app]]` is `site.apps`.
Paths are as written; `penstock.settings.loader.load` makes them absolute, relative to the folder of the site file.
Constructing a model in Python checks nothing: the loader is what refuses bad values.
"""

from __future__ import annotations  # types are built when a file is loaded, not when the server starts

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

# An import reference: "package.module:attribute".
REFERENCE_FORM = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*"

# Forms of text: the pattern is the schema's; `extra` says how the loader judges and words it.
REFERENCE = Meta(
    extra={"language": "reference"},
    extra_json_schema={"pattern": f"^{REFERENCE_FORM}$"},
)
PREFIX = Meta(
    extra={"language": "prefix"},
    extra_json_schema={"pattern": r"^(/|(/(?!\.{1,2}(/|$))[^/{}%?#\\\s]+)+)$"},
)
TEMPLATE = Meta(extra={"language": "template"}, extra_json_schema={"pattern": r"^/[^%?#\\\s]*$"})
METHOD = Meta(
    extra={"language": "method"},
    extra_json_schema={"pattern": r"^[A-Z0-9!#$%&'*+.^_`|~-]+$"},  # RFC 9110 section 9.1
)
HEADER_NAME = Meta(
    extra={"language": "header_name"},
    extra_json_schema={"pattern": r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"},  # RFC 9110 section 5.1
)
HEADER_VALUE = Meta(
    extra={"language": "header_value"},
    extra_json_schema={"pattern": r"^([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$"},
)
LISTEN = Meta(
    extra={"language": "listen"},
    extra_json_schema={"pattern": r"^(unix:.+|fd:(//)?[0-9]+|(\[[0-9A-Fa-f:.]+(%.+)?\]|[A-Za-z0-9._-]*):[0-9]{1,5})$"},
)
TRUSTED = Meta(
    extra={"language": "trusted"},
    extra_json_schema={"pattern": r"^(\*|unix:|[0-9A-Fa-f:.]+(/[0-9]+)?)$"},
)
HOST = Meta(
    extra={"language": "host"},
    extra_json_schema={"pattern": r"^(\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])$"},
)
FILE_NAME = Meta(extra={"language": "file_name"}, extra_json_schema={"pattern": r"^[^/\\]+$"})

Headers = dict[Annotated[str, HEADER_NAME], Annotated[str, HEADER_VALUE]]


class LimitSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[server.limits]: what one client may ask of the server. There is no "unlimited"."""

    # nginx large_client_header_buffers 8k; Kestrel MaxRequestLineSize 8 KiB
    request_line: Annotated[
        int, Meta(ge=256, le=1_048_576, description="Longest request line, in bytes; a longer one is answered 414.")
    ] = 8192
    # nginx 4 x 8k; Kestrel MaxRequestHeadersTotalSize 32 KiB
    header_section: Annotated[
        int, Meta(ge=1024, le=16_777_216, description="Largest header section, in bytes; a larger one is answered 431.")
    ] = 32768
    # Apache, gunicorn and Kestrel: 100
    headers: Annotated[
        int, Meta(ge=1, le=10_000, description="Most header fields of one request; more are answered 431.")
    ] = 100
    # IIS and Kestrel: 30 000 000
    body: Annotated[
        int,
        Meta(ge=1, description="Largest request body, in bytes; a larger one is answered 413. Refine it by location."),
    ] = 30_000_000
    # Kestrel RequestHeadersTimeout 30 s
    header_timeout: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds a client may take to send the head of a request.")
    ] = 30.0
    # nginx keepalive_timeout 75 s
    keep_alive: Annotated[
        float, Meta(ge=0, le=86_400, description="Seconds an idle connection is kept open for the next request.")
    ] = 75.0
    # Kestrel MinRequestBodyDataRate and MinResponseDataRate: 240 bytes/s
    data_rate: Annotated[
        int,
        Meta(ge=0, description="Fewest bytes per second while the server waits for the client; 0 turns the check off."),
    ] = 240
    # Kestrel: 5 s
    data_rate_grace: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds before the data rate is looked at for the first time.")
    ] = 5.0
    # IIS appConcurrentRequestLimit is 5000 for threads of native code; one Python process is busy with far fewer
    requests_inside: Annotated[
        int, Meta(ge=1, description="Most requests being processed at once in one worker; others wait in the queue.")
    ] = 1000
    # IIS application pool queueLength 1000
    queue: Annotated[
        int, Meta(ge=0, description="Most requests waiting to get inside; beyond that the answer is 503.")
    ] = 1000
    # RFC 9110 section 10.2.3; one second is the shortest that can be said
    retry_after: Annotated[
        int, Meta(ge=1, le=86_400, description="Seconds the Retry-After header of that 503 tells the client to wait.")
    ] = 1


class TlsSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[server.tls], or tls = { ... } of a site: the certificate shown to clients."""

    certificate: Annotated[
        str,
        Meta(min_length=1, description="PEM file with the certificate and the chain above it.", examples=["cert.pem"]),
    ]
    key: Annotated[
        str,
        Meta(min_length=1, description="PEM file with the private key; it may be the same file.", examples=["key.pem"]),
    ]


class ProxySettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[server.proxy]: whose word about client, scheme and host is taken."""

    # uvicorn and gunicorn trust 127.0.0.1 and ::1; a Unix socket is as local as loopback
    trusted: Annotated[
        tuple[Annotated[str, TRUSTED], ...],
        Meta(
            description='Addresses and networks of trusted proxies; "unix:" is every Unix socket, "*" is everybody.',
            examples=[["10.0.0.0/8", "unix:"]],
        ),
    ] = ("127.0.0.0/8", "::1", "unix:")
    # uvicorn and gunicorn read X-Forwarded-*; RFC 7239 is asked for by name
    headers: Annotated[
        Literal["x-forwarded", "forwarded", "none"],
        Meta(description='Family of headers that is believed: X-Forwarded-*, RFC 7239 "Forwarded", or none.'),
    ] = "x-forwarded"
    # ASP.NET Core ForwardLimit 1
    hops: Annotated[int, Meta(ge=1, le=100, description="How many proxies are believed, counted from the right.")] = 1


class LogSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[server.log]: what is written down, and where."""

    # uvicorn and gunicorn: info
    level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"],
        Meta(description="Least severe message that is written."),
    ] = "info"
    # uvicorn, nginx: on
    access: Annotated[bool, Meta(description="Whether every answer is written to the access log.")] = True
    # uvicorn colours on a terminal; Apache and nginx write combined
    access_format: Annotated[
        str,
        Meta(
            min_length=1,
            description='"auto" (readable on a terminal, else combined), "readable", "combined", "common", "json", or a format.',
            examples=["combined", '%(h)s "%(r)s" %(s)s %(b)s'],
        ),
    ] = "auto"
    # uvicorn and the twelve-factor rule: standard output
    access_file: Annotated[str, Meta(description="File of the access log; empty for standard output.")] = ""


class ServerSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[server]: one listener, its limits, its log; the same for every site."""

    # uvicorn and gunicorn: 127.0.0.1:8000
    listen: Annotated[
        tuple[Annotated[str, LISTEN], ...],
        Meta(
            min_length=1,
            description='Where to listen: "host:port", "[::]:8000", ":8000", "unix:/run/app.sock", "fd:3"; port 0 is any.',
            examples=[["127.0.0.1:8000", "unix:/run/app.sock"]],
        ),
    ] = ("127.0.0.1:8000",)
    # ASP.NET Core: Production unless told otherwise
    mode: Annotated[
        Literal["production", "development"],
        Meta(description="In development, error pages show the traceback and slow steps are named."),
    ] = "production"
    # uvicorn, gunicorn: 2048
    backlog: Annotated[
        int, Meta(ge=1, le=1_048_576, description="Most connections the kernel holds until they are accepted.")
    ] = 2048
    # uvicorn --app-dir: the current folder
    app_dirs: Annotated[
        tuple[str, ...], Meta(description="Folders that Python can import from, relative to the site file.")
    ] = (".",)
    # gunicorn graceful_timeout 30 s, ASP.NET Core ShutdownTimeout 30 s
    graceful_timeout: Annotated[
        float, Meta(ge=0, le=86_400, description="Seconds that requests may take to end when the server stops.")
    ] = 30.0
    # uvicorn, gunicorn, nginx and Kestrel send it
    server_header: Annotated[bool, Meta(description='Whether answers carry "server: penstock".')] = True
    # uvicorn --header: none
    headers: Annotated[
        Headers, Meta(description="Headers added to every answer.", examples=[{"x-content-type-options": "nosniff"}])
    ] = {}
    # uvicorn --limit-max-requests, gunicorn max_requests: never
    max_requests: Annotated[int, Meta(ge=0, description="A worker stops after so many requests; 0 means never.")] = 0
    # uvicorn --loop auto
    loop: Annotated[
        Literal["auto", "uvloop", "asyncio"],
        Meta(description='Event loop; "auto" takes uvloop where it is installed.'),
    ] = "auto"
    limits: Annotated[LimitSettings, Meta(description="What one client may ask of the server.")] = LimitSettings()
    tls: Annotated[
        TlsSettings | None, Meta(description="Certificate for every site without one; without any it is plain HTTP.")
    ] = None
    proxy: Annotated[ProxySettings, Meta(description="What a trusted proxy says about the client.")] = ProxySettings()
    log: Annotated[LogSettings, Meta(description="What is written down, and where.")] = LogSettings()


class ModuleSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[[site.module]]: a module that takes part in every request."""

    use: Annotated[str, REFERENCE, Meta(description="The module's class.", examples=["shop.modules:Greeting"])]
    settings: Annotated[
        dict[str, Any],
        Meta(description="Keyword arguments of its constructor.", examples=[{"text": "hi"}]),
    ] = {}


class RouteSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[[site.route]]: a plain function that answers one path template."""

    at: Annotated[
        str,
        TEMPLATE,
        Meta(
            description="Path template; {name} is a segment, {name:int} a whole number, {rest:path} all that is left.",
            examples=["/hello/{name}"],
        ),
    ]
    function: Annotated[str, REFERENCE, Meta(description="The function.", examples=["shop.pages:hello"])]
    # Flask and Starlette: GET, and HEAD with it
    methods: Annotated[
        tuple[Annotated[str, METHOD], ...],
        Meta(min_length=1, description="Methods it answers; HEAD comes with GET.", examples=[["GET", "POST"]]),
    ] = ("GET",)
    # a plain function runs on the loop and must not block
    threads: Annotated[
        int, Meta(ge=0, le=1024, description="Runs it in so many threads; 0 runs it on the event loop.")
    ] = 0

    @property
    def answered_methods(self) -> tuple[str, ...]:
        """`methods`, and HEAD with GET."""
        return (*self.methods, "HEAD") if "GET" in self.methods and "HEAD" not in self.methods else self.methods


class AppSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[[site.app]]: an application that answers everything below a path prefix; exactly one of asgi, wsgi and app."""

    at: Annotated[str, PREFIX, Meta(description="Path prefix, compared by whole segments.", examples=["/api"])]
    asgi: Annotated[
        Annotated[str, REFERENCE] | None, Meta(description="An ASGI 3 application.", examples=["shop.api:app"])
    ] = None
    wsgi: Annotated[
        Annotated[str, REFERENCE] | None, Meta(description="A WSGI application.", examples=["shop.wsgi:application"])
    ] = None
    app: Annotated[
        Annotated[str, REFERENCE] | None,
        Meta(description="An application of either shape; which one is detected.", examples=["shop:app"]),
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
    # uvicorn offers no http.response.pathsend: widely used compressing middleware breaks where it is offered
    pathsend: Annotated[bool, Meta(description="ASGI only: offers the http.response.pathsend extension.")] = False


class LocationLimitSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """limits = { ... } of a location: those of the limits that can be refined by path."""

    body: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Largest request body below this location, in bytes; may be more than the server's.",
            examples=[1_000_000],
        ),
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


class SiteSettings(
    Struct,
    kw_only=True,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"modules": "module", "routes": "route", "apps": "app", "locations": "location"},
):
    """[[site]]: what answers for some host names. A route answers, else the longest mount, else a file, else 404."""

    # nginx default_server, IIS "*": a site answers every host unless it says which
    hosts: Annotated[
        tuple[Annotated[str, HOST], ...],
        Meta(
            min_length=1,
            description='Host names it answers for: exact, "*.example.org" for everything below, or "*" for all.',
            examples=[["example.org", "*.example.org"]],
        ),
    ] = ("*",)
    # none: no files are served
    root: Annotated[
        str, Meta(description="Folder of files, relative to the site file; empty serves none.", examples=["public"])
    ] = ""
    tls: Annotated[TlsSettings | None, Meta(description="Certificate for these hosts, chosen by SNI.")] = None
    files: Annotated[FilesSettings, Meta(description="How the files under root are served.")] = FilesSettings()
    modules: Annotated[
        tuple[ModuleSettings, ...], Meta(description="Modules that take part in every request, in this order.")
    ] = ()
    routes: Annotated[tuple[RouteSettings, ...], Meta(description="Plain functions, by path template.")] = ()
    apps: Annotated[tuple[AppSettings, ...], Meta(description="Applications, by path prefix.")] = ()
    locations: Annotated[tuple[LocationSettings, ...], Meta(description="Rules, by path prefix.")] = ()


class Settings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, rename={"sites": "site"}):
    """The site file: one server, any number of sites."""

    server: Annotated[ServerSettings, Meta(description="Listener, limits and log of the whole server.")] = (
        ServerSettings()
    )
    sites: Annotated[tuple[SiteSettings, ...], Meta(description="What answers, by host name.")] = ()
