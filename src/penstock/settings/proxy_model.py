"""[[site.proxy]] as frozen models: which servers answer below a path prefix, and how they are asked."""

from __future__ import annotations  # types are built when a file is loaded, not when the server starts

from typing import Annotated, Literal

from msgspec import Meta, Struct

from penstock.settings.forms import BACKEND, HEALTH_PATH, PREFIX, Headers


class HealthSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[site.proxy.health]: when a backend gets no requests, and when it gets them again."""

    # nginx open source asks nobody: what is seen of the requests themselves is all
    path: Annotated[
        str,
        HEALTH_PATH,
        Meta(
            description="Asked with GET; 200 to 399 is healthy. Empty asks nothing: connects tell.",
            examples=["/health"],
        ),
    ] = ""
    # HAProxy inter 2 s, nginx fail_timeout 10 s
    interval: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Seconds between two questions; without `path`, how long a backend that is down is left alone.",
        ),
    ] = 5.0
    timeout: Annotated[float, Meta(gt=0, le=3600, description="Seconds in which the question is to be answered.")] = 2.0
    # HAProxy fall 3
    unhealthy_after: Annotated[
        int, Meta(ge=1, description="Failures in a row, of questions or of connects, after which it is down.")
    ] = 3
    # HAProxy rise 2
    healthy_after: Annotated[int, Meta(ge=1, description="Good answers in a row after which it is up again.")] = 2


class BackendSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[[site.proxy]]: other servers that answer everything below a path prefix, asked over HTTP/1.1 and WebSockets."""

    at: Annotated[str, PREFIX, Meta(description="Path prefix, compared by whole segments.", examples=["/api"])]
    to: Annotated[
        tuple[Annotated[str, BACKEND], ...],
        Meta(
            min_length=1,
            description="The backends: http://host:port, https://host:port, or unix: and the path of a socket, relative to "
            "the site file.",
            examples=[["http://127.0.0.1:9000", "https://app.internal:8443", "unix:/run/app.sock"]],
        ),
    ]
    # nginx proxy_ssl_verify is off, and trusts nobody by itself: here certificates are always looked at
    ca: Annotated[
        str,
        Meta(
            description="PEM file with the certificates that vouch for those of https backends, relative to the site file. "
            "Empty trusts the system's.",
            examples=["ca.pem"],
        ),
    ] = ""
    # nginx proxy_pass without a path: the path stays as it is
    strip_prefix: Annotated[bool, Meta(description="Whether backends are asked for what is left behind `at`.")] = False
    # YARP and nginx ask with the backend's name; then links and cookies are those of a host nobody knows
    host: Annotated[
        Literal["original", "backend"],
        Meta(description="The Host that backends see: the client's, or their own of `to`."),
    ] = "original"
    # nginx proxy_redirect default, Apache ProxyPassReverse
    rewrite_location: Annotated[
        bool,
        Meta(description="Whether a Location that names the backend itself names this server instead."),
    ] = True
    # what nginx, Apache and Traefik write
    forwarded: Annotated[
        Literal["x-forwarded", "forwarded", "both", "none"],
        Meta(
            description="Which headers tell backends of client, scheme and host; those of clients are always dropped."
        ),
    ] = "x-forwarded"
    balance: Annotated[
        Literal["round_robin", "least_connections"],
        Meta(description="Who is next: each in turn, or the one with the fewest requests inside."),
    ] = "round_robin"
    # as many as a burst needs; gunicorn and uvicorn accept a backlog of 2048
    connections: Annotated[
        int, Meta(ge=1, le=65_536, description="Most connections to one backend, sockets aside.")
    ] = 128
    # as for WSGI applications
    queue: Annotated[
        int,
        Meta(ge=0, description="Most requests waiting for a connection to one backend; beyond that the answer is 503."),
    ] = 1000
    # uvicorn, hypercorn and Node close after 5 s: whoever asks at that moment finds nobody
    keep_alive: Annotated[
        float, Meta(ge=0, le=86_400, description="Seconds for which an idle connection is kept; 0 keeps none.")
    ] = 4.0
    # HAProxy's manual says 5 s
    connect_timeout: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds to connect, or to get a connection; then 504 or 503.")
    ] = 5.0
    # nginx proxy_read_timeout 60 s
    read_timeout: Annotated[
        float,
        Meta(gt=0, le=86_400, description="Seconds to the head of the answer, and between pieces of it; then 504."),
    ] = 60.0
    # nginx proxy_next_upstream tries them all; one broken connection is one more try
    retries: Annotated[
        int,
        Meta(ge=0, le=100, description="Tries after the first, where that can do no harm; see the page on proxies."),
    ] = 1
    # nginx proxy_buffers 8 x 8k, HAProxy 16k; one of ours is a socket's worth
    buffer: Annotated[
        int, Meta(ge=1024, description="Bytes of an answer that wait for a slow client before reading stops.")
    ] = 131_072
    # nginx proxy_buffer_size 8k is too small for many cookies; Node's is 16k
    max_head: Annotated[int, Meta(ge=256, description="Bytes that the head of an answer may have.")] = 32_768
    websockets: Annotated[bool, Meta(description="Whether WebSockets are passed on.")] = True
    request_headers: Annotated[
        Headers,
        Meta(description='Set on every request to a backend; "" drops the header.', examples=[{"x-served-by": "edge"}]),
    ] = {}
    response_headers: Annotated[
        Headers,
        Meta(description='Set on every answer of a backend; "" drops the header.', examples=[{"server": ""}]),
    ] = {}
    health: Annotated[HealthSettings, Meta(description="When a backend gets no requests.")] = HealthSettings()
    # nothing is open that a module closes
    allow_anonymous: Annotated[bool, Meta(description="Whether authorization modules let everybody in here.")] = False

    @property
    def label(self) -> str:
        """What answers, for people."""
        return f"proxy to {', '.join(self.to)}"
