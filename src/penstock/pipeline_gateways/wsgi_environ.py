"""The environ of a WSGI application: CGI variables and `wsgi.*` keys for one request (PEP 3333, RFC 3875 section 4.1)."""

from __future__ import annotations

from typing import Final

from penstock.http.messages import RequestHead, RequestLine
from penstock.intake.worker_request import Address
from penstock.pipeline.context import Context
from penstock.pipeline.principal import ANONYMOUS
from penstock.pipeline_gateways.file_wrapper import FileWrapper
from penstock.pipeline_gateways.wsgi_answer import Environ
from penstock.pipeline_gateways.wsgi_errors import ErrorLog

# Header names and request lines come again and again: what they become is remembered, up to a bound.
_REMEMBERED: Final = 1024
_REMEMBERED_LINES: Final = 256
_LONGEST: Final = 256
_COOKIE: Final = "HTTP_COOKIE"
_PORTS: Final = {"http": "80", "https": "443"}
_CONTENT_KEYS: Final = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


class EnvironMaker:
    """Makes the environs of one gateway: what is the same for all is copied, the rest filled in."""

    __slots__ = ("_base", "_begun", "_keys", "_mount", "_server")

    def __init__(self, *, at: str, root_path: str, is_multithreaded: bool, errors: ErrorLog) -> None:
        """`at` is where the application is mounted, `root_path` what a proxy took off before it; both without a slash behind."""
        self._mount = at
        self._keys = _CONTENT_KEYS.copy()
        self._begun: dict[RequestLine, Environ] = {}
        self._server: Address | None = None
        # Keys that each request sets have their place here already: a copy that needs no room for them is a quick copy.
        self._base: Environ = {
            "REQUEST_METHOD": "",
            "SCRIPT_NAME": reread(root_path + at),
            "PATH_INFO": "",
            "QUERY_STRING": "",
            "REQUEST_URI": "",
            "RAW_URI": "",
            "SERVER_NAME": "",
            "SERVER_PORT": "",
            "SERVER_PROTOCOL": "",
            "SERVER_SOFTWARE": "penstock",
            "GATEWAY_INTERFACE": "CGI/1.1",
            "REMOTE_ADDR": "",
            "REMOTE_PORT": "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "",
            "wsgi.input": None,
            "wsgi.errors": errors,
            "wsgi.multithread": is_multithreaded,
            "wsgi.multiprocess": True,  # other workers may run the same application
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
            "penstock.context": None,
            "penstock.stopping": None,
        }

    def make(self, context: Context, body: object) -> Environ:
        """The environ of the request in `context`, whose `wsgi.input` is `body`."""
        worker_request = context.worker_request
        head: RequestHead = worker_request.head
        server = worker_request.server
        if server != self._server:
            self._change_server(server)
        begun = self._begun.get(head.line)
        environ = self._begin(head.line, context) if begun is None else begun.copy()
        environ["wsgi.url_scheme"] = worker_request.scheme
        environ["wsgi.input"] = body
        environ["penstock.context"] = context
        if server is None or server[1] is None:
            # Not known, or a Unix socket: PEP 3333 wants both, and neither empty.
            environ["SERVER_NAME"] = head.host or "localhost"
            environ["SERVER_PORT"] = _PORTS.get(worker_request.scheme, "80")
        client = worker_request.client
        if client is None:
            del environ["REMOTE_ADDR"], environ["REMOTE_PORT"]
        else:
            environ["REMOTE_ADDR"] = client[0]
            if not client[1]:
                del environ["REMOTE_PORT"]  # a proxy that does not say it, or a server that does not know
            else:
                environ["REMOTE_PORT"] = str(client[1])
        principal = context.principal
        if principal is not ANONYMOUS and principal.is_authenticated:
            environ["REMOTE_USER"] = reread(principal.name)
        self.add_headers(environ, head.headers)
        return environ

    def add_headers(self, environ: Environ, headers: list[tuple[bytes, bytes]]) -> None:
        """Add the fields of a request to `environ`, which holds none yet."""
        keys = self._keys
        expected = len(environ) + len(headers)
        try:
            for name, value in headers:
                environ[keys[name]] = value.decode("latin-1")
        except KeyError:
            self._add_unusual(environ, headers)
            return
        if len(environ) != expected:
            self._add_unusual(environ, headers)

    def path_info(self, path: str) -> str:
        """The path below the mount, segment by segment, UTF-8 re-read as ISO 8859-1; a path beside the mount stays whole."""
        mount = self._mount
        if mount and path.startswith(mount) and path[len(mount) : len(mount) + 1] in ("", "/"):
            path = path[len(mount) :]
        if not path.isascii():
            return reread(path)
        return path if path != "*" else ""  # OPTIONS *: RFC 3875 section 4.1.5 wants a slash or nothing

    def _add_unusual(self, environ: Environ, headers: list[tuple[bytes, bytes]]) -> None:
        """A name is new, comes twice, or may not come at all."""
        fields: dict[str, str] = {}
        for name, value in headers:
            if b"_" in name:
                continue  # X_Real_IP and X-Real-IP would become one key: the twin is dropped (bad-input row 19)
            key = self._keys.get(name) or self._learn(name)
            text = value.decode("latin-1")
            if key in fields:
                # RFC 9110 section 5.3, and for cookies RFC 9113 section 8.2.3
                text = f"{fields[key]}; {text}" if key == _COOKIE else f"{fields[key]},{text}"
            fields[key] = text
        environ.update(fields)

    def _learn(self, name: bytes) -> str:
        if len(self._keys) >= _REMEMBERED:
            self._keys = _CONTENT_KEYS.copy()
        key = self._keys[name] = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        return key

    def _change_server(self, server: Address | None) -> None:
        """Requests of one gateway nearly always come in by the same address: it is part of what is copied."""
        self._begun.clear()
        self._server = server
        if server is not None:
            self._base["SERVER_NAME"], self._base["SERVER_PORT"] = server[0], str(server[1])

    def _begin(self, line: RequestLine, context: Context) -> Environ:
        """An environ with what is the same for all requests of this request line; remembered when it is short."""
        environ = self._base.copy()
        environ["REQUEST_METHOD"] = line.method
        environ["PATH_INFO"] = self.path_info(line.path)
        environ["QUERY_STRING"] = line.query.decode("latin-1")
        environ["REQUEST_URI"] = environ["RAW_URI"] = line.target.decode("latin-1")
        environ["SERVER_PROTOCOL"] = "HTTP/" + line.version
        environ["penstock.stopping"] = context.stopping.for_threads  # one for all requests of the site
        if len(line.target) <= _LONGEST:
            if len(self._begun) >= _REMEMBERED_LINES:
                self._begun.clear()
            self._begun[line] = environ.copy()
        return environ


def reread(text: str) -> str:
    """The UTF-8 bytes of `text` as ISO 8859-1, as PEP 3333 hands bytes over in native strings."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")
