"""This file is the test of TLS contexts: what they agree to, which certificate they show, what is said of bad files."""

import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from penstock.errors import ConfigurationError
from penstock.hosts.tls import HANDSHAKE_TIMEOUT, Certificate, open_tls

CA = trustme.CA()


def store(folder: Path, *names: str, hosts: tuple[str, ...] = ()) -> Certificate:
    issued = CA.issue_cert(*names)
    stem = folder / names[0].replace("*", "star")
    certificate, key = stem.with_suffix(".cert"), stem.with_suffix(".key")
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return Certificate(certificate=str(certificate), key=str(key), hosts=hosts, where="site.toml:3")


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)
    context.check_hostname = False
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, *, name: str | None, session: ssl.SSLSession | None = None
) -> ssl.SSLObject:
    """The client's end of a connection to `server`, made in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name, session=session)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (ours, theirs):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    theirs.write(b"x")  # tickets of TLS 1.3 travel in front of the first bytes
    assert ours.read(1) == b"x"
    return ours


def shown_names(connection: ssl.SSLObject) -> list[str]:
    certificate = connection.getpeercert()
    assert certificate is not None
    return [str(pair[1]) for pair in certificate["subjectAltName"]]


def refusals(default: Certificate | None, *sites: Certificate) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        open_tls(default, sites)
    assert {problem.where for problem in caught.value.problems} <= {"site.toml:3", ""}
    return [problem.message for problem in caught.value.problems]


class TestProtocol:
    def test_tls_1_3_and_http_1_1_are_agreed(self, tmp_path: Path) -> None:
        connection = shake_hands(open_tls(store(tmp_path, "a.example")), client_context(), name="a.example")
        assert connection.version() == "TLSv1.3"
        assert connection.selected_alpn_protocol() == "http/1.1"

    def test_tls_1_2_is_still_spoken(self, tmp_path: Path) -> None:
        client = client_context()
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        connection = shake_hands(open_tls(store(tmp_path, "a.example")), client, name="a.example")
        assert connection.version() == "TLSv1.2"

    def test_nothing_older_and_nothing_unsafe(self, tmp_path: Path) -> None:
        context = open_tls(store(tmp_path, "a.example"))
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_COMPRESSION
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert not context.options & ssl.OP_NO_TICKET

    def test_row_84_alpn_without_a_protocol_in_common_is_no_failure(self, tmp_path: Path) -> None:
        client = client_context()
        client.set_alpn_protocols(["spdy/1"])
        connection = shake_hands(open_tls(store(tmp_path, "a.example")), client, name="a.example")
        assert connection.selected_alpn_protocol() is None

    def test_a_session_is_resumed_by_ticket(self, tmp_path: Path) -> None:
        server, client = open_tls(store(tmp_path, "a.example")), client_context()
        first = shake_hands(server, client, name="a.example")
        again = shake_hands(server, client, name="a.example", session=first.session)
        assert again.session_reused

    def test_a_handshake_has_ten_seconds(self) -> None:
        assert HANDSHAKE_TIMEOUT == 10.0

    def test_ssl_is_not_imported_until_it_is_needed(self) -> None:
        program = "import sys, penstock.hosts.tls; print('ssl' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        before = subprocess.run(
            [sys.executable, "-c", "import sys, penstock.hosts; print('ssl' in sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == before.stdout


class TestServerName:
    """RFC 6066 section 3, and bad-input row 84."""

    def choose(self, tmp_path: Path, name: str | None) -> list[str]:
        context = open_tls(
            store(tmp_path, "default.example"),
            [
                store(tmp_path, "shop.example.org", hosts=("Shop.Example.org", "shop.example.net")),
                store(tmp_path, "*.example.org", hosts=("*.example.org",)),
                store(tmp_path, "*.deep.example.org", hosts=("*.deep.example.org",)),
                store(tmp_path, "xn--bcher-kva.example", hosts=("xn--bcher-kva.example",)),
            ],
        )
        return shown_names(shake_hands(context, client_context(), name=name))

    @pytest.mark.parametrize(
        ("asked", "shown"),
        [
            ("shop.example.org", "shop.example.org"),
            ("SHOP.EXAMPLE.ORG", "shop.example.org"),
            ("shop.example.net", "shop.example.org"),
            ("www.example.org", "*.example.org"),
            ("a.b.example.org", "*.example.org"),
            ("a.deep.example.org", "*.deep.example.org"),
            ("deep.example.org", "*.example.org"),
            ("example.org", "default.example"),
            ("unknown.example", "default.example"),
            ("localhost", "default.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            (None, "default.example"),
        ],
    )
    def test_certificate_shown(self, tmp_path: Path, asked: str | None, shown: str) -> None:
        assert self.choose(tmp_path, asked) == [shown]

    def test_protocol_is_agreed_with_a_site_too(self, tmp_path: Path) -> None:
        context = open_tls(store(tmp_path, "a.example"), [store(tmp_path, "b.example", hosts=("b.example",))])
        assert shake_hands(context, client_context(), name="b.example").selected_alpn_protocol() == "http/1.1"

    def test_without_a_default_the_site_of_all_hosts_answers_unknown_names(self, tmp_path: Path) -> None:
        context = open_tls(
            None, [store(tmp_path, "a.example", hosts=("a.example",)), store(tmp_path, "b.example", hosts=("*",))]
        )
        assert shown_names(shake_hands(context, client_context(), name="unknown.example")) == ["b.example"]

    def test_without_any_default_the_first_site_answers(self, tmp_path: Path) -> None:
        context = open_tls(
            None,
            [store(tmp_path, "a.example", hosts=("a.example",)), store(tmp_path, "b.example", hosts=("b.example",))],
        )
        assert shown_names(shake_hands(context, client_context(), name="unknown.example")) == ["a.example"]
        assert shown_names(shake_hands(context, client_context(), name="b.example")) == ["b.example"]


class TestBadFiles:
    def test_every_missing_file_is_named(self, tmp_path: Path) -> None:
        missing = Certificate(certificate="/missing/cert.pem", key="/missing/key.pem", where="site.toml:3")
        assert refusals(missing, Certificate(certificate=str(tmp_path), key="/missing/b.pem")) == [
            "the certificate /missing/cert.pem cannot be read: No such file or directory",
            "the key /missing/key.pem cannot be read: No such file or directory",
            f"the certificate {tmp_path} cannot be read: Is a directory",
            "the key /missing/b.pem cannot be read: No such file or directory",
        ]

    def test_a_key_of_another_certificate(self, tmp_path: Path) -> None:
        one, other = store(tmp_path, "a.example"), store(tmp_path, "b.example")
        mixed = Certificate(certificate=one.certificate, key=other.key, where="site.toml:3")
        assert refusals(mixed) == [f"the key {other.key} does not belong to the certificate {one.certificate}"]

    def test_an_encrypted_key_is_refused_with_the_way_out(self, tmp_path: Path) -> None:
        plain = store(tmp_path, "a.example")
        locked = tmp_path / "locked.key"
        key = load_pem_private_key(Path(plain.key).read_bytes(), password=None)
        locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
        (message,) = refusals(Certificate(certificate=plain.certificate, key=str(locked), where="site.toml:3"))
        assert message.startswith(f"the key {locked} is encrypted")
        assert "openssl pkey -in locked.key -out plain.pem" in message

    def test_files_that_are_something_else(self, tmp_path: Path) -> None:
        good = store(tmp_path, "a.example")
        text = tmp_path / "notes.txt"
        text.write_text("nothing of that kind")
        assert refusals(Certificate(certificate=str(text), key=good.key)) == [
            f"there is no certificate in PEM form in {text}"
        ]
        assert refusals(Certificate(certificate=good.certificate, key=str(text))) == [
            f"there is no private key in PEM form in {text}"
        ]

    def test_a_damaged_certificate(self, tmp_path: Path) -> None:
        good = store(tmp_path, "a.example")
        broken = tmp_path / "broken.cert"
        broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        (message,) = refusals(Certificate(certificate=str(broken), key=good.key))
        assert message.startswith(f"the certificate {broken} and the key {good.key} cannot be used: ")

    def test_key_and_certificate_may_share_a_file(self, tmp_path: Path) -> None:
        good = store(tmp_path, "a.example")
        both = tmp_path / "both.pem"
        both.write_bytes(Path(good.key).read_bytes() + Path(good.certificate).read_bytes())
        context = open_tls(Certificate(certificate=str(both), key=str(both)))
        assert shown_names(shake_hands(context, client_context(), name=None)) == ["a.example"]

    def test_no_certificate_at_all(self) -> None:
        assert refusals(None) == ["TLS needs a certificate and a key: set both"]
