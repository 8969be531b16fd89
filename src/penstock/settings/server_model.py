"""[server] and the tables below it as frozen models: the same for every site."""

from __future__ import annotations  # types are built when a file is loaded, not when the server starts

from typing import Annotated, Literal

from msgspec import Meta, Struct

from penstock.settings.forms import LISTEN, TRUSTED, Headers
from penstock.settings.process_model import ControlSettings, DrainSettings, HealthPathSettings, RecycleSettings


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
    # ASP.NET executionTimeout 110 s (pipeline T-03)
    deadline: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Seconds from a request's arrival to the head of its answer, else 504; 0 means none.",
        ),
    ] = 110.0
    # ASP.NET aspnet:MaxHttpCollectionKeys, Django DATA_UPLOAD_MAX_NUMBER_FIELDS: 1000
    form_fields: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Most fields and files of one form; more are answered 400.")
    ] = 1000
    # ASP.NET requestLengthDiskThreshold 80 KB
    form_memory: Annotated[
        int, Meta(ge=0, description="Bytes of an upload that are kept in memory; what is beyond goes to disk.")
    ] = 81_920
    # a worker of four threads is worth keeping until it has lost some of them
    stuck_threads: Annotated[
        int,
        Meta(ge=1, description="Threads stuck beyond the deadline before a recycle of the worker is asked for."),
    ] = 10
    # IIS appConcurrentRequestLimit is 5000 for threads of native code; one Python process is busy with far fewer
    requests_inside: Annotated[
        int, Meta(ge=1, description="Most requests being processed at once in one worker; others wait in the queue.")
    ] = 1000
    # IIS application pool queueLength 1000
    queue: Annotated[
        int, Meta(ge=0, description="Most requests waiting to get inside; beyond that the answer is 503.")
    ] = 1000
    # nothing waits for a socket's place: what is beyond is refused, so the number is one that no site comes to by itself
    sockets: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000_000,
            description="Most WebSockets open at once in one worker; beyond that the answer is 503.",
        ),
    ] = 10_000
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
    # IIS writes traces of failed requests to a folder of their own
    traces: Annotated[
        str,
        Meta(
            description="Folder of the traces that [[site.trace]] asks for; empty is `traces` beside the site file.",
            examples=["traces"],
        ),
    ] = ""
    # IIS maxLogFiles 50
    trace_files: Annotated[
        int, Meta(ge=1, le=100_000, description="Most traces that are kept; the oldest goes first.")
    ] = 50


class ServerSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[server]: one listener, its limits, its log; the same for every site."""

    # uvicorn and gunicorn: 127.0.0.1:8000
    listen: Annotated[
        tuple[Annotated[str, LISTEN], ...],
        Meta(
            min_length=1,
            description='Where to listen: "host:port", "[::]:8000", ":8000", "unix:/run/app.sock", "fd:3"; port 0 is any. For web servers that speak FastCGI: "fcgi://127.0.0.1:9000", "fcgi+unix:/run/app.sock", "fcgi+fd:3".',
            examples=[["127.0.0.1:8000", "unix:/run/app.sock"]],
        ),
    ] = ("127.0.0.1:8000",)
    # ASP.NET Core: Production unless told otherwise
    mode: Annotated[
        Literal["production", "development"],
        Meta(description="In development, error pages show the traceback and slow steps are named."),
    ] = "production"
    # uvicorn and gunicorn: 1; here one process without a supervisor, which is less to go wrong
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | Literal["auto"] | None,
        Meta(
            description='Processes that share the requests, under a supervisor; "auto" is one for each core that may be used. By default one process without a supervisor.',
            examples=[2],
        ),
    ] = None
    # gunicorn --pid: none
    pid_file: Annotated[
        str,
        Meta(
            description="File with the process id, of the supervisor if there is one; empty is none.",
            examples=["penstock.pid"],
        ),
    ] = ""
    # off: who deploys says when
    watch: Annotated[
        bool,
        Meta(description="Whether an edited site file is taken over, and workers replaced whose code has changed."),
    ] = False
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
    max_requests: Annotated[
        int,
        Meta(
            ge=0,
            description="A worker stops after so many requests, and under a supervisor is replaced; 0 means never. `requests` of [server.recycle] is the same.",
        ),
    ] = 0
    # uvicorn --loop auto
    loop: Annotated[
        Literal["auto", "uvloop", "asyncio"],
        Meta(description='Event loop; "auto" takes uvloop where it is installed.'),
    ] = "auto"
    # uvicorn, gunicorn: a server that cannot start its applications ends (pipeline A-05)
    start_failure: Annotated[
        Literal["exit", "retry"],
        Meta(description='When an application or module fails to start: "exit", or answer 503 and "retry".'),
    ] = "exit"
    # off: it costs time at every step
    verifier: Annotated[
        bool, Meta(description="Whether modules and handlers are watched for breaches of their contract, and named.")
    ] = False
    # off: a site may well do without what a server cannot do
    strict_host: Annotated[
        bool,
        Meta(
            description="Under somebody else's server, or behind FastCGI alone: refuse to start when that lacks what a site needs."
        ),
    ] = False
    limits: Annotated[LimitSettings, Meta(description="What one client may ask of the server.")] = LimitSettings()
    tls: Annotated[
        TlsSettings | None, Meta(description="Certificate for every site without one; without any it is plain HTTP.")
    ] = None
    proxy: Annotated[ProxySettings, Meta(description="What a trusted proxy says about the client.")] = ProxySettings()
    log: Annotated[LogSettings, Meta(description="What is written down, and where.")] = LogSettings()
    drain: Annotated[DrainSettings, Meta(description="How long the steps of stopping take.")] = DrainSettings()
    health: Annotated[HealthPathSettings, Meta(description="Paths for probes.")] = HealthPathSettings()
    control: Annotated[ControlSettings | None, Meta(description="The socket of the commands.")] = None
    recycle: Annotated[RecycleSettings, Meta(description="When workers are replaced.")] = RecycleSettings()

    @property
    def recycle_requests(self) -> int:
        """Requests after which a worker of the default pool stops, 0 never, by either of its two names."""
        return self.recycle.requests or self.max_requests
