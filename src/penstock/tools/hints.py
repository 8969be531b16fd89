"""This file is what the options of uvicorn and gunicorn that Penstock does not have are called here, or why they are gone.

Each hint is a sentence or two; it is shown in place of "No such option". Options that have the same name here are not listed.
"""

from collections.abc import Mapping

_STUCK = "With --workers, one whose event loop has not turned for 30 seconds is replaced: stuck under [server.recycle] in the site file, or PENSTOCK_SERVER__RECYCLE__STUCK."
_SLOW = f"{_STUCK} A request that is slow ends at the deadline of [server.limits]."
_FRESH = (
    "Workers are fresh processes and nothing is forked: each imports the application itself, before it gets requests."
)
_ACCOUNT = "For the whole server, leave that to what starts it, for example a systemd unit (see docs/deploying.md); a [[pool]] of the site file has a {0} of its own."
_LIMITS = "set it under [server.limits] in the site file, or with PENSTOCK_SERVER__LIMITS__{0}."
_TLS = "Penstock takes a certificate and a key (--ssl-certfile, --ssl-keyfile); the rest is Python's safe default."
_SOCKETS = "set it for a location in the site file: websockets = {{ {0} }}."
_HTTP2 = "Penstock speaks HTTP/1.1; put a proxy in front for HTTP/2."
_SERVICE = "Leave that to what starts the server, for example a systemd unit (see docs/deploying.md)."
_STATSD = "Penstock sends no metrics by itself; a module at the LOG stage can."
_STRICT = "Penstock is strict about request heads and cannot be made lax."
_ERRORS = "Messages go to standard error; redirect it, or give a --log-config."
_PASTE = "Make the application yourself and name it as module:attribute."
_FORWARDED = 'say headers = "none" under [server.proxy] in the site file, or PENSTOCK_SERVER__PROXY__HEADERS=none.'


def _called(name: str) -> str:
    return f"Here it is called {name}."


UVICORN: Mapping[str, str] = {
    "--loop": "uvloop is used where it is installed; for asyncio's own loop set PENSTOCK_SERVER__LOOP=asyncio.",
    "--http": "There is one parser, httptools; nothing to choose.",
    "--http2": _HTTP2,
    "--ws": "There is one implementation of WebSockets; nothing to choose.",
    "--ws-max-size": f"Messages have at most 16 MiB here, too; {_SOCKETS.format('max_message = 1_000_000')}",
    "--ws-max-queue": "Nothing to set: reading stops while the application is slower than the client.",
    "--ws-ping-interval": f"It is 20 seconds here, too; {_SOCKETS.format('keep_alive = 60.0')}",
    "--ws-ping-timeout": f"It is 20 seconds here, too; {_SOCKETS.format('keep_alive_timeout = 60.0')}",
    "--ws-per-message-deflate": f"It is off unless asked for; {_SOCKETS.format('compression = true')}",
    "--lifespan": "Nothing to choose: an application without lifespan is served without it.",
    "--reload-exclude": "Name what is watched instead: --reload-dir and --reload-include.",
    "--reload-delay": "Changes are noticed at once; nothing to set.",
    "--use-colors": "The log is coloured on a terminal and plain elsewhere.",
    "--no-use-colors": "The log is coloured on a terminal and plain elsewhere; NO_COLOR=1 turns colours off.",
    "--proxy-headers": "On for trusted proxies: see --forwarded-allow-ips.",
    "--no-proxy-headers": f"To believe no proxy, {_FORWARDED}",
    "--server-header": "It is sent unless server_header is false in the site file.",
    "--no-server-header": "Set PENSTOCK_SERVER__SERVER_HEADER=false, or server_header = false in the site file.",
    "--date-header": "Penstock sends it, as RFC 9110 asks of a server with a clock.",
    "--no-date-header": "Penstock always sends it, as RFC 9110 asks of a server with a clock.",
    "--timeout-worker-healthcheck": _STUCK,
    "--ssl-keyfile-password": "Penstock takes a key without a password.",
    "--ssl-version": _TLS,
    "--ssl-cert-reqs": _TLS,
    "--ssl-ca-certs": _TLS,
    "--ssl-ciphers": _TLS,
    "--h11-max-incomplete-event-size": f"The head of a request is bounded: {_LIMITS.format('HEADER_SECTION')}",
    "--reset-contextvars": "Every request has a context of its own; nothing to set.",
}

GUNICORN: Mapping[str, str] = {
    "-c": "Name a site file as TARGET; `penstock init` writes one.",
    "--config": "Name a site file as TARGET; `penstock init` writes one.",
    "-k": "-k/--worker-class is not needed: ASGI and WSGI are told apart by themselves (--interface decides).",
    "--worker-class": "-k/--worker-class is not needed: ASGI and WSGI are told apart by themselves (--interface decides).",
    "--worker-connections": f"Requests inside at once are --limit-concurrency; {_LIMITS.format('REQUESTS_INSIDE')}",
    "--max-requests": _called("--limit-max-requests"),
    "--max-requests-jitter": _called("--limit-max-requests-jitter"),
    "-t": _SLOW,
    "--timeout": _SLOW,
    "--graceful-timeout": _called("--timeout-graceful-shutdown"),
    "--keep-alive": _called("--timeout-keep-alive"),
    "--limit-request-line": f"The request line is bounded: {_LIMITS.format('REQUEST_LINE')}",
    "--limit-request-fields": f"The number of headers is bounded: {_LIMITS.format('HEADERS')}",
    "--limit-request-field_size": f"The header section is bounded as a whole: {_LIMITS.format('HEADER_SECTION')}",
    "--reload-engine": "Nothing to choose.",
    "--reload-extra-file": _called("--reload-include"),
    "--spew": "Use a debugger.",
    "--check-config": "Use `penstock check FILE`.",
    "--print-config": "Use `penstock explain FILE`.",
    "--preload": _FRESH,
    "--preload-app": _FRESH,
    "--no-sendfile": "Nothing to choose: large files are sent by the kernel.",
    "--reuse-port": "Nothing to choose: with --workers, each worker has a socket of its own, which the supervisor keeps open when workers change.",
    "--chdir": _called("--app-dir"),
    "-D": _SERVICE,
    "--daemon": _SERVICE,
    "-e": "Set it in the environment, or use --env-file.",
    "--env": "Set it in the environment, or use --env-file.",
    "-p": "-p is gunicorn's --pid, and others' --port: write --pid, or --port.",
    "--worker-tmp-dir": "Penstock needs none: workers tell by a socket that they are alive.",
    "-u": _ACCOUNT.format("user"),
    "--user": _ACCOUNT.format("user"),
    "-g": _ACCOUNT.format("group"),
    "--group": _ACCOUNT.format("group"),
    "-m": _SERVICE,
    "--umask": _SERVICE,
    "--initgroups": _SERVICE,
    "--access-logfile": "Set access_file under [server.log] in the site file, or PENSTOCK_SERVER__LOG__ACCESS_FILE; it is on by default.",
    "--access-logformat": _called("--access-log-format"),
    "--error-logfile": _ERRORS,
    "--log-file": _ERRORS,
    "--capture-output": _ERRORS,
    "--logger-class": "Use --log-config.",
    "--log-config-json": "Use --log-config; it takes .json too.",
    "--log-syslog": "Use --log-config with logging.handlers.SysLogHandler.",
    "--log-syslog-to": "Use --log-config with logging.handlers.SysLogHandler.",
    "--log-syslog-prefix": "Use --log-config with logging.handlers.SysLogHandler.",
    "--log-syslog-facility": "Use --log-config with logging.handlers.SysLogHandler.",
    "--disable-redirect-access-to-syslog": "Use --log-config with logging.handlers.SysLogHandler.",
    "-R": _ERRORS,
    "--enable-stdio-inheritance": _ERRORS,
    "--statsd-host": _STATSD,
    "--dogstatsd-tags": _STATSD,
    "--statsd-prefix": _STATSD,
    "--enable-backlog-metric": _STATSD,
    "-n": "Penstock does not rename its processes.",
    "--name": "Penstock does not rename its processes.",
    "--pythonpath": _called("--app-dir"),
    "--paste": _PASTE,
    "--paster": _PASTE,
    "--paste-global": _PASTE,
    "--proxy-protocol": "Penstock reads X-Forwarded-* or Forwarded from trusted proxies, not the PROXY protocol.",
    "--proxy-allow-from": "Penstock reads X-Forwarded-* or Forwarded from trusted proxies: see --forwarded-allow-ips.",
    "--protocol": "Penstock speaks HTTP/1.1.",
    "--uwsgi-allow-from": "Penstock speaks HTTP/1.1, not uwsgi.",
    "--keyfile": _called("--ssl-keyfile"),
    "--certfile": _called("--ssl-certfile"),
    "--cert-reqs": _TLS,
    "--ca-certs": _TLS,
    "--ciphers": _TLS,
    "--suppress-ragged-eofs": _TLS,
    "--do-handshake-on-connect": _TLS,
    "--http-protocols": _HTTP2,
    "--http2-cleartext": _HTTP2,
    "--http2-max-concurrent-streams": _HTTP2,
    "--http2-initial-window-size": _HTTP2,
    "--http2-max-frame-size": _HTTP2,
    "--http2-max-header-list-size": _HTTP2,
    "--permit-obsolete-folding": _STRICT,
    "--strip-header-spaces": _STRICT,
    "--permit-unconventional-http-method": _STRICT,
    "--permit-unconventional-http-version": _STRICT,
    "--casefold-http-method": _STRICT,
    "--header-map": _STRICT,
    "--forwarder-headers": "Choose the family of headers under [server.proxy] in the site file.",
    "--asgi-loop": "uvloop is used where it is installed; for asyncio's own loop set PENSTOCK_SERVER__LOOP=asyncio.",
    "--asgi-lifespan": "Nothing to choose: an application without lifespan is served without it.",
    "--asgi-disconnect-grace-period": "A client that leaves cancels nothing; nothing to set.",
    "--websocket-max-message-size": f"Messages have at most 16 MiB; {_SOCKETS.format('max_message = 1_000_000')}",
    "--http-parser": "There is one parser, httptools; nothing to choose.",
    "--dirty-app": "Not offered.",
    "--dirty-workers": "Not offered.",
    "--dirty-timeout": "Not offered.",
    "--dirty-threads": "Not offered.",
    "--dirty-graceful-timeout": "Not offered.",
    "--control-socket": _called("--control"),
    "--control-socket-mode": "Set mode under [server.control] in the site file, or PENSTOCK_SERVER__CONTROL__MODE; it is 0600 here, too.",
    "--no-control-socket": "With workers there is always one, which nobody but this user can open.",
}


def find_hint(option: str) -> str | None:
    """What to say about `option` ("--workers", "-k"); None when neither uvicorn nor gunicorn has it."""
    return UVICORN.get(option) or GUNICORN.get(option)
