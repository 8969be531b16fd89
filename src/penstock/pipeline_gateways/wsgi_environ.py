"""The environ of a WSGI application: CGI variables and `wsgi.*` keys for one request (PEP 3333, RFC 3875 section 4.1)."""

from __future__ import annotations

from typing import Any, Final

from penstock.http.messages import RequestHead
from penstock.pipeline.context import Context
from penstock.pipeline_gateways.file_wrapper import FileWrapper
from penstock.pipeline_gateways.wsgi_answer import Environ
from penstock.pipeline_gateways.wsgi_errors import ErrorLog

# Header names come again and again: their keys are remembered, up to a bound that nobody reaches who means well.
_REMEMBERED: Final = 1024
_DROPPED: Final = ""
_COOKIE: Final = "HTTP_COOKIE"
_VERSIONS: Final = {"1.1": "HTTP/1.1", "1.0": "HTTP/1.0"}
_PORTS: Final = {"http": "80", "https": "443"}


class EnvironMaker:
    """Makes the environs of one gateway: what is the same for all is copied, the rest filled in."""

    __slots__ = ("_base", "_keys", "_mount")

    def __init__(self, *, at: str, root_path: str, is_multithreaded: bool, errors: ErrorLog) -> None:
        """`at` is where the application is mounted, `root_path` what a proxy took off before it; both without a slash behind."""
        self._mount = at
        self._keys: dict[bytes, str] = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
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
        }

    def make(self, context: Context, body: object) -> Environ:
        """The environ of the request in `context`, whose `wsgi.input` is `body`."""
        worker_request = context.worker_request
        head: RequestHead = worker_request.head
        environ = self._base.copy()
        environ["REQUEST_METHOD"] = head.method
        environ["PATH_INFO"] = self.path_info(head.path)
        environ["QUERY_STRING"] = head.query.decode("latin-1") if head.query else ""
        environ["REQUEST_URI"] = environ["RAW_URI"] = head.target.decode("latin-1")
        environ["SERVER_PROTOCOL"] = _VERSIONS.get(head.version) or "HTTP/" + head.version
        environ["wsgi.url_scheme"] = worker_request.scheme
        environ["wsgi.input"] = body
        environ["penstock.context"] = context
        self._add_addresses(environ, context)
        self._add_headers(environ, head.headers)
        return environ

    def path_info(self, path: str) -> str:
        """The path below the mount, segment by segment, UTF-8 re-read as ISO 8859-1; a path beside the mount stays whole."""
        mount = self._mount
        if mount and path.startswith(mount) and path[len(mount) : len(mount) + 1] in ("", "/"):
            path = path[len(mount) :]
        if not path.isascii():
            return reread(path)
        return path if path != "*" else ""  # OPTIONS *: RFC 3875 section 4.1.5 wants a slash or nothing

    def _add_addresses(self, environ: Environ, context: Context) -> None:
        worker_request = context.worker_request
        server = worker_request.server
        if server is None or server[1] is None:
            # Not known, or a Unix socket: PEP 3333 wants both, and neither empty.
            environ["SERVER_NAME"] = worker_request.head.host or "localhost"
            environ["SERVER_PORT"] = _PORTS.get(worker_request.scheme, "80")
        else:
            environ["SERVER_NAME"] = server[0]
            environ["SERVER_PORT"] = str(server[1])
        client = worker_request.client
        if client is None:
            del environ["REMOTE_ADDR"], environ["REMOTE_PORT"]
        else:
            environ["REMOTE_ADDR"] = client[0]
            environ["REMOTE_PORT"] = str(client[1] or 0)
        principal = context.principal
        if principal.is_authenticated:
            environ["REMOTE_USER"] = reread(principal.name)

    def _add_headers(self, environ: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> None:
        keys = self._keys
        for name, value in headers:
            key = keys.get(name)
            if key is None:
                key = self._learn(name)
            if key in environ:
                # RFC 9110 section 5.3; RFC 9113 section 8.2.3 for cookies
                separator = "; " if key == _COOKIE else ","
                environ[key] = f"{environ[key]}{separator}{value.decode('latin-1')}"
            elif key:
                environ[key] = value.decode("latin-1")

    def _learn(self, name: bytes) -> str:
        # X_Real_IP and X-Real-IP would become the same key: the twin with "_" is dropped (bad-input row 19).
        key = _DROPPED if b"_" in name else "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        if len(self._keys) >= _REMEMBERED:
            self._keys.clear()
            self._keys.update({b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"})
        self._keys[name] = key
        return key


def reread(text: str) -> str:
    """The UTF-8 bytes of `text` as ISO 8859-1, as PEP 3333 hands bytes over in native strings."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")
