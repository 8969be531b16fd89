"""Metadata: what the default pool tells another pool about a request, signed so that nobody else can say it.

On the wire it is the field `penstock-metadata: 1.<payload>.<signature>`: a version, a JSON array in base64url, and its
HMAC-SHA256. There is one way to write it, and whatever is written otherwise is refused.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from penstock.errors import PenstockError
from penstock.intake.worker_request import Address

FIELD: Final = b"penstock-metadata"
VERSION: Final = b"1"
OWN: Final = b"penstock-"
"""How the names of fields begin that pass between pools only: what a client sends under such a name is dropped."""

# The target as the client sent it, where the request line has another one: it was rewritten, or names a host.
TARGET: Final = OWN + b"target"
# In an answer: it stands for a failure of this error id, and the front makes the answer by its own error pages.
FAILED: Final = OWN + b"failed"

# What a field of the client is called on its way to the pool, whose own connection says the same of itself: the pool's
# worker calls it by its name again, and never acts on it.
_PREFIX: Final = OWN + b"was-"
_OF_CONNECTIONS: Final = frozenset(
    (
        b"connection",
        b"content-length",
        b"expect",
        b"forwarded",
        b"host",
        b"transfer-encoding",
        b"upgrade",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
    )
)

_REMEMBERED: Final = 4096
# No real request comes near it: sign-in with thousands of roles would.
_LONGEST: Final = 1_000_000


class MetadataRefused(PenstockError):
    """The metadata of a request is missing, of another version, or was not signed with the key of this pool."""


class User(NamedTuple):
    """Who asks. `roles` are sorted, so that the same user is always written alike."""

    name: str
    roles: tuple[str, ...]
    is_authenticated: bool


class Metadata(NamedTuple):
    """What the front knows of a request, and another process could not see.

    `client` and `server` are as in `WorkerRequest`, `authority` is the Host as received. `mount` is where the application stands.
    `user` is None for the anonymous one, `trace_id` "" where nobody has asked for it yet.
    """

    user: User | None
    client: Address | None
    server: Address | None
    scheme: str
    authority: bytes
    mount: str
    trace_id: str


class MetadataSigner:
    """Signs and reads metadata for the pool called `pool`. Its `key` is shown nowhere."""

    __slots__ = ("_context", "_key", "_read", "_written")

    def __init__(self, key: bytes, pool: str) -> None:
        """`key` is that of this pool (see `derive_key`). Raises ValueError for one of less than 16 bytes."""
        if len(key) < 16:
            raise ValueError("the key that signs metadata has at least 16 bytes")
        self._key = key
        self._context = b"penstock-metadata %b %b " % (VERSION, pool.encode("utf-8"))
        # `_signed` would be a word of C that is taken.
        self._written: dict[Metadata, bytes] = {}
        self._read: dict[bytes, Metadata] = {}

    def sign(self, metadata: Metadata) -> bytes:
        """The value of the field; the same is signed once, and remembered."""
        known = self._written.get(metadata)
        if known is not None:
            return known
        payload = urlsafe_b64encode(_write(metadata))
        value = b"%b.%b.%b" % (VERSION, payload, urlsafe_b64encode(self._digest(payload)))
        if len(self._written) >= _REMEMBERED:
            self._written.clear()
        self._written[metadata] = value
        return value

    def read(self, value: bytes) -> Metadata:
        """What a value of the field says. Raises MetadataRefused; what was wrong with it is for the log."""
        known = self._read.get(value)
        if known is not None:
            return known
        if len(value) > _LONGEST:
            raise MetadataRefused("metadata of more than a megabyte")
        version, _, rest = value.partition(b".")
        payload, _, signature = rest.partition(b".")
        if version != VERSION:
            raise MetadataRefused("metadata of another version of Penstock")
        # In constant time: how much of a guess was right is told to nobody.
        if not hmac.compare_digest(signature, urlsafe_b64encode(self._digest(payload))):
            raise MetadataRefused("metadata with a wrong signature")
        metadata = _parse(payload)
        if len(self._read) >= _REMEMBERED:
            self._read.clear()
        self._read[value] = metadata
        return metadata

    def _digest(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, self._context + payload, "sha256")


def derive_key(key: bytes, pool: str) -> bytes:
    """The key of one pool, from the supervisor's: an application knows at most that of its own pool."""
    return hmac.digest(key, b"penstock-pool " + pool.encode("utf-8"), "sha256")


def pack_fields(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The fields of a client as they pass to a pool, each with its CRLF; none of them is taken for one of ours."""
    return b"".join(
        [
            b"%b%b: %b\r\n" % (_PREFIX if name in _OF_CONNECTIONS else b"", name, value)
            for name, value in headers
            if not name.startswith(OWN)
        ]
    )


def unpack_fields(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The fields of the client again, from those that came to the pool."""
    fields = []
    for name, value in headers:
        if name.startswith(_PREFIX):
            fields.append((name[len(_PREFIX) :], value))
        elif not name.startswith(OWN) and name not in _OF_CONNECTIONS:
            fields.append((name, value))
    return fields


def _write(metadata: Metadata) -> bytes:
    members: list[Any] = [
        metadata.user,
        metadata.client,
        metadata.server,
        metadata.scheme,
        metadata.authority.decode("latin-1"),
        metadata.mount,
        metadata.trace_id,
    ]
    return json.dumps(members, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _parse(payload: bytes) -> Metadata:
    try:
        user, client, server, scheme, authority, mount, trace_id = json.loads(urlsafe_b64decode(payload))
        return Metadata(
            None if user is None else User(str(user[0]), tuple([str(role) for role in user[1]]), bool(user[2])),
            _address(client),
            _address(server),
            str(scheme),
            str(authority).encode("latin-1"),
            str(mount),
            str(trace_id),
        )
    except (ValueError, TypeError, LookupError) as error:
        # It was signed by us: two versions that call themselves the same.
        refusal = MetadataRefused(f"metadata that cannot be read: {error}")
        refusal.__cause__ = error
        raise refusal from error


def _address(pair: Any) -> Address | None:
    if pair is None:
        return None
    return str(pair[0]), None if pair[1] is None else int(pair[1])
