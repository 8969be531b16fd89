"""How a listener speaks TLS: contexts made of certificate files, and the choice among them by server name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from penstock.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    import ssl  # at run time only when TLS is asked for: it takes a good part of the start

# Seconds a client may take for its handshake; Kestrel's HandshakeTimeout is 10 s. The socket host holds clients to it.
HANDSHAKE_TIMEOUT: Final = 10.0

_PROTOCOLS: Final = ["http/1.1"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """PEM files of a certificate (with the chain above it) and of its private key, which may be the same file.

    `hosts` are the names it is shown for: exact, or "*.example.org" for everything below example.org; "*" matches
    what nothing else does. `where` is the line of the site file or the option that named them.
    """

    certificate: str
    key: str
    hosts: tuple[str, ...] = ()
    where: str = ""


class ServerNames:
    """Which context answers for which server name (RFC 6066 section 3). Names without a context get the default one."""

    __slots__ = ("_below", "_exact")

    def __init__(self, contexts: Sequence[tuple[Certificate, ssl.SSLContext]]) -> None:
        self._exact: dict[str, ssl.SSLContext] = {}
        self._below: dict[str, ssl.SSLContext] = {}
        for certificate, context in contexts:
            for host in certificate.hosts:
                name = _normalized(host)
                if name.startswith("*."):
                    self._below.setdefault(name[2:], context)
                elif name != "*":
                    self._exact.setdefault(name, context)

    def __len__(self) -> int:
        return len(self._exact) + len(self._below)

    def find(self, name: str) -> ssl.SSLContext | None:
        """The context of `name`: its own, else that of the nearest "*." above it."""
        name = _normalized(name)
        context = self._exact.get(name)
        while context is None and name:
            name = name.partition(".")[2]
            context = self._below.get(name)
        return context

    def choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
        """The callback of OpenSSL, called in the handshake. `name` is None when the client sent none."""
        context = self.find(name) if name else None
        if context is not None:
            connection.context = context
        return None


def open_tls(default: Certificate | None, sites: Sequence[Certificate] = ()) -> ssl.SSLContext:
    """The context a listener hands to the loop: TLS 1.2 and later, HTTP/1.1 by ALPN, certificates of `sites` by SNI.

    Clients that send no name, or an unknown one, get `default`; without it a site of host "*", else the first site.
    Raises ConfigurationError with everything that is wrong with the files.
    """
    certificates = [*([default] if default else []), *sites]
    if not certificates:
        raise ConfigurationError([Problem("TLS needs a certificate and a key: set both")])
    problems: list[Problem] = []
    contexts: list[tuple[Certificate, ssl.SSLContext]] = []
    for certificate in certificates:
        try:
            contexts.append((certificate, _context(certificate)))
        except ConfigurationError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigurationError(problems)
    names = ServerNames(contexts)
    chosen = contexts[0][1] if default else _fallback(contexts)
    if names:
        chosen.sni_callback = names.choose
    return chosen


def _normalized(name: str) -> str:
    return name.lower().removesuffix(".")


def _fallback(contexts: Sequence[tuple[Certificate, ssl.SSLContext]]) -> ssl.SSLContext:
    return next((context for certificate, context in contexts if "*" in certificate.hosts), contexts[0][1])


def _context(certificate: Certificate) -> ssl.SSLContext:
    import ssl

    unreadable = [
        Problem(f"the {kind} {path} cannot be read: {reason}", certificate.where)
        for kind, path in (("certificate", certificate.certificate), ("key", certificate.key))
        if (reason := _why_unreadable(path))
    ]
    if unreadable:
        raise ConfigurationError(unreadable)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996: earlier ones are not to be used
    # RFC 7525 section 3.3: compression betrays secrets (CRIME). Renegotiation costs the server more than the client.
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # A context of our own for every site needs its own ALPN: OpenSSL asks the one that SNI has chosen.
    context.set_alpn_protocols(_PROTOCOLS)
    passphrase = _Passphrase()
    try:
        context.load_cert_chain(certificate.certificate, certificate.key, passphrase.refuse)
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError([_explain(certificate, error, passphrase)]) from None
    return context


class _Passphrase:
    """Notices that OpenSSL asked for one: a server that starts alone has nobody to ask."""

    __slots__ = ("was_asked",)

    def __init__(self) -> None:
        self.was_asked = False

    def refuse(self) -> str:
        self.was_asked = True
        return ""


def _why_unreadable(path: str) -> str:
    try:
        with open(path, "rb"):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _explain(certificate: Certificate, error: OSError, passphrase: _Passphrase) -> Problem:
    key, where = certificate.key, certificate.where
    if passphrase.was_asked:
        advice = f"openssl pkey -in {os.path.basename(key)} -out plain.pem"
        return Problem(f"the key {key} is encrypted: store it decrypted, readable by the server only ({advice})", where)
    if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
        return Problem(f"the key {key} does not belong to the certificate {certificate.certificate}", where)
    for kind, path, mark in (
        ("certificate", certificate.certificate, b"-----BEGIN CERTIFICATE-----"),
        ("private key", key, b"PRIVATE KEY-----"),
    ):
        if mark not in _content(path):
            return Problem(f"there is no {kind} in PEM form in {path}", where)
    return Problem(f"the certificate {certificate.certificate} and the key {key} cannot be used: {_text(error)}", where)


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _text(error: OSError) -> str:
    return str(getattr(error, "reason", "") or error)
