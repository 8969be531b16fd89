"""The environ of a WSGI application: CGI variables and `wsgi.*` keys for one request (PEP 3333, RFC 3875 section 4.1)."""

from __future__ import annotations

from typing import Final

from penstock.http.messages import RequestHead
from penstock.intake.worker_request import Address, WorkerRequest
from penstock.pipeline.context import ANONYMOUS, Context
from penstock.pipeline_gateways.file_wrapper import FileWrapper
from penstock.pipeline_gateways.wsgi_answer import Environ
from penstock.pipeline_gateways.wsgi_errors import ErrorLog

# Header names and targets come again and again: what they become is remembered, up to a bound.
_REMEMBERED: Final = 1024
_LONGEST: Final = 256
_COOKIE: Final = "HTTP_COOKIE"
_NO_SERVER: Final = ("", None)  # which no worker request says, so that the next one is asked again
_PORTS: Final = {"http": "80", "https": "443"}
_CONTENT_KEYS: Final = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}

# Path and query as the host understood them, then PATH_INFO, QUERY_STRING and REQUEST_URI.
_Line = tuple[str, bytes, str, str, str]


class EnvironMaker:
    """Makes the environs of one gateway: what is the same for all is copied, the rest filled in."""

    __slots__ = ("_base", "_keys", "_lines", "_mount", "_server")

    def __init__(self, *, at: str, root_path: str, is_multithreaded: bool, errors: ErrorLog) -> None:
        """`at` is where the application is mounted, `root_path` what a proxy took off before it; both without a slash behind."""
        self._mount = at
        self._keys = _CONTENT_KEYS.copy()
        self._lines: dict[bytes, _Line] = {}
        self._server: Address = _NO_SERVER
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
            "SERVER_PROTOCOL": "HTTP/1.1",
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
        }

    def make(self, context: Context, body: object) -> Environ:
        """The environ of the request in `context`, whose `wsgi.input` is `body`."""
        worker_request = context.worker_request
        head: RequestHead = worker_request.head
        server = worker_request.server
        if server != self._server:
            self._change_server(worker_request, server)
        environ = self._base.copy()
        line = self._lines.get(head.target)
        if line is None or line[0] != head.path or line[1] != head.query:
            line = self._read_line(head)
        environ["REQUEST_METHOD"] = head.method
        environ["PATH_INFO"] = line[2]
        environ["QUERY_STRING"] = line[3]
        environ["REQUEST_URI"] = environ["RAW_URI"] = line[4]
        if head.version != "1.1":
            environ["SERVER_PROTOCOL"] = "HTTP/" + head.version
        environ["wsgi.url_scheme"] = worker_request.scheme
        environ["wsgi.input"] = body
        environ["penstock.context"] = context
        client = worker_request.client
        if client is None:
            del environ["REMOTE_ADDR"], environ["REMOTE_PORT"]
        else:
            environ["REMOTE_ADDR"] = client[0]
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

    def _change_server(self, worker_request: WorkerRequest, server: Address | None) -> None:
        """Requests of one gateway nearly always come in by the same address: it is part of what is copied."""
        if server is None or server[1] is None:
            # Not known, or a Unix socket: PEP 3333 wants both, and neither empty.
            self._server = _NO_SERVER
            self._base["SERVER_NAME"] = worker_request.head.host or "localhost"
            self._base["SERVER_PORT"] = _PORTS.get(worker_request.scheme, "80")
        else:
            self._server = server
            self._base["SERVER_NAME"] = server[0]
            self._base["SERVER_PORT"] = str(server[1])

    def _read_line(self, head: RequestHead) -> _Line:
        query = head.query.decode("latin-1")
        line = (head.path, head.query, self.path_info(head.path), query, head.target.decode("latin-1"))
        if len(head.target) <= _LONGEST:
            if len(self._lines) >= _REMEMBERED:
                self._lines.clear()
            self._lines[head.target] = line
        return line


def reread(text: str) -> str:
    """The UTF-8 bytes of `text` as ISO 8859-1, as PEP 3333 hands bytes over in native strings."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")
