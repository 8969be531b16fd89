"""What the parameters of a FastCGI request say: the head that the client sent, judged as our own, and who is at both ends."""

from __future__ import annotations

from typing import Final

from penstock.errors import RequestRejected
from penstock.hosts.fastcgi_records import FastCgiError, read_pairs
from penstock.hosts.foreign_refusals import judge_size
from penstock.hosts.foreign_requests import encode_path, remember_line
from penstock.hosts.listener import peer_address
from penstock.http.foreign_head import foreign_head, foreign_line
from penstock.http.head import HeadLimits
from penstock.http.messages import RequestHead, RequestLine
from penstock.intake.worker_request import Address

_REMEMBERED: Final = 1024
_ADDRESS: Final = b"0123456789abcdefABCDEF:.%"
_OFF: Final = (b"", b"off", b"0")
_DEFAULT_PORTS: Final = {"http": b"80", "https": b"443"}
_VERSIONS: Final = {b"HTTP/2.0": "2", b"HTTP/3.0": "3", b"": "1.1"}
# RFC 3875 section 4.1.2 and 4.1.3: what these say has a variable of its own; some web servers repeat it.
_OWN_VARIABLES: Final = {b"content-length": b"CONTENT_LENGTH", b"content-type": b"CONTENT_TYPE"}
# IIS says -1 of a body whose length it does not know.
_UNKNOWN: Final = (b"", b"-1")
_WITHOUT_BODY: Final = ("GET", "HEAD")


class ArrivingParameters:
    """FCGI_PARAMS as they come, record by record."""

    __slots__ = ("_most", "_pieces", "_size")

    def __init__(self, most: int) -> None:
        """`most` is how many bytes are read; beyond them a request is refused, beyond twice as many there is none."""
        self._most = most
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, content: bytes) -> None:
        """Take a record. Raises FastCgiError for more than any web server sends."""
        self._size += len(content)
        if self._size <= self._most:
            self._pieces.append(content)
        else:
            self._pieces.clear()  # none of it is of use; the answer waits for the end
        if self._size > 2 * self._most:
            raise FastCgiError(f"FCGI_PARAMS have more than {2 * self._most} bytes")

    def end(self) -> list[tuple[bytes, bytes]]:
        """The parameters; none when there are too many. Raises FastCgiError when they are malformed."""
        return read_pairs(b"".join(self._pieces))

    def judge_size(self) -> None:
        """Raise RequestRejected (431) when they are too many."""
        if self._size > self._most:
            raise RequestRejected(431, f"the parameters are larger than {self._most} bytes", rule="RFC 6585 section 5")


class FastCgiHead:
    """One request as the web server tells of it."""

    __slots__ = ("client", "head", "scheme", "server")

    def __init__(self, head: RequestHead, scheme: str, client: Address | None, server: Address | None) -> None:
        self.head = head
        self.scheme = scheme
        self.client = client
        self.server = server


class ParameterReader:
    """Reads the parameters of all requests of a loop; what comes again and again is remembered, up to a bound."""

    __slots__ = ("_limits", "_lines", "_names")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._names: dict[bytes, bytes] = {}
        self._lines: dict[tuple[bytes, bytes, bytes], RequestLine] = {}

    def read(self, parameters: list[tuple[bytes, bytes]]) -> FastCgiHead:
        """The request that `parameters` describe. Raises RequestRejected (400, 414, 417, 431, 501), as for our own requests."""
        variables: dict[bytes, bytes] = {}
        fields: list[tuple[bytes, bytes]] = []
        names = self._names
        for name, value in parameters:
            if name[:5] == b"HTTP_":
                fields.append((names.get(name) or self._learn_name(name), value.strip(b" \t")))
            else:
                variables[name] = value
        target = variables.get(b"REQUEST_URI") or _target_of(variables)
        method = variables.get(b"REQUEST_METHOD", b"")
        if not method:
            raise RequestRejected(
                400,
                'the web server sent no REQUEST_METHOD (nginx: "include fastcgi_params;")',
                rule="RFC 3875 section 4.1.12",
            )
        version = _version_of(variables.get(b"SERVER_PROTOCOL", b""))
        scheme = _scheme_of(variables)
        is_coded, fields = _own_fields(variables, fields)
        if version[:1] not in ("0", "1") and not any(name == b"host" for name, _ in fields):
            # nginx does not tell the authority of HTTP/3 as a Host.
            fields = [(b"host", value) for value in (_authority_of(variables, scheme),) if value] + fields
        judge_size(self._limits, len(target), fields)
        line = self._find_line((method, target, version.encode()), scheme, fields)
        is_open = version[:1] != "1" and line.method not in _WITHOUT_BODY
        head = foreign_head(line, fields, may_have_body=is_coded or is_open)
        return FastCgiHead(head, scheme, client_of(variables), _server_of(variables))

    def _learn_name(self, name: bytes) -> bytes:
        known = name[5:].lower().replace(b"_", b"-")
        if len(self._names) >= _REMEMBERED:
            self._names.clear()
        self._names[name] = known
        return known

    def _find_line(
        self, key: tuple[bytes, bytes, bytes], scheme: str, fields: list[tuple[bytes, bytes]]
    ) -> RequestLine:
        line = self._lines.get(key)
        if line is not None:
            return line
        method, target, version = key
        raw_path, _, query = target.partition(b"?")
        authority = next((value for name, value in fields if name == b"host"), b"")
        text = method.decode("latin-1")
        line = foreign_line(text, raw_path, query, version=version.decode(), scheme=scheme, authority=authority)
        if target[:1] == b"/":  # a whole URL means something only together with Host
            remember_line(self._lines, key, line)
        return line


def client_of(variables: dict[bytes, bytes]) -> Address | None:
    """Who the web server's client is; None when it does not say, as where it listens on a Unix socket itself."""
    address = variables.get(b"REMOTE_ADDR", b"")
    if not address or address.translate(None, _ADDRESS):
        return None
    host, port = peer_address((address.decode("ascii"), _port_of(variables.get(b"REMOTE_PORT", b""))))
    return host, port or None


def _own_fields(
    variables: dict[bytes, bytes], fields: list[tuple[bytes, bytes]]
) -> tuple[bool, list[tuple[bytes, bytes]]]:
    """Whether the client sent its body in a transfer coding, which the web server has read; and the fields without it.

    Length and type stand in variables of their own. Raises RequestRejected (400) when a field says something else.
    """
    kept: list[tuple[bytes, bytes]] = []
    is_coded = False
    for pair in fields:
        name = pair[0]
        if name == b"transfer-encoding":
            is_coded = True
            continue
        variable = _OWN_VARIABLES.get(name)
        if variable is None:
            kept.append(pair)
        elif variables.setdefault(variable, pair[1]) not in (pair[1], b""):
            raise RequestRejected(
                400, f"{variable.decode()} contradicts HTTP_{variable.decode()}", rule="RFC 3875 section 4.1.18"
            )
    for name, variable in _OWN_VARIABLES.items():
        value = variables.get(variable, b"")
        if value not in _UNKNOWN:
            kept.append((name, value))
    return is_coded or variables.get(b"CONTENT_LENGTH") == b"-1", kept


def _target_of(variables: dict[bytes, bytes]) -> bytes:
    """The target of a web server that does not tell what the client sent, but what it understood (RFC 3875 section 4.1.5)."""
    path = encode_path(variables.get(b"SCRIPT_NAME", b"") + variables.get(b"PATH_INFO", b"") or b"/")
    query = variables.get(b"QUERY_STRING", b"")
    return b"%b?%b" % (path, query) if query else path


def _version_of(protocol: bytes) -> str:
    version = _VERSIONS.get(protocol)
    if version is not None:
        return version
    if protocol[:5] != b"HTTP/" or not protocol[5:6].isdigit() or protocol[6:].translate(None, b".0123456789"):
        raise RequestRejected(400, "SERVER_PROTOCOL is no version of HTTP", rule="RFC 3875 section 4.1.16")
    return protocol[5:].decode("ascii")


def _scheme_of(variables: dict[bytes, bytes]) -> str:
    secure = variables.get(b"HTTPS")
    if secure is None:
        return "https" if variables.get(b"REQUEST_SCHEME", b"").lower() == b"https" else "http"
    return "http" if secure.lower() in _OFF else "https"


def _authority_of(variables: dict[bytes, bytes], scheme: str) -> bytes:
    name, port = variables.get(b"SERVER_NAME", b""), variables.get(b"SERVER_PORT", b"")
    return b"%b:%b" % (name, port) if name and port and port != _DEFAULT_PORTS[scheme] else name


def _server_of(variables: dict[bytes, bytes]) -> Address | None:
    name = variables.get(b"SERVER_ADDR") or variables.get(b"SERVER_NAME", b"")
    if not name:
        return None
    return name.decode("latin-1"), _port_of(variables.get(b"SERVER_PORT", b"")) or None


def _port_of(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) <= 5 else 0
