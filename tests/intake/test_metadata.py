"""What the default pool tells another one, and that nobody else can say it."""

import base64
import hmac
import json

import pytest

from penstock.http.judged_fields import JUDGED
from penstock.intake.metadata import (
    FIELD,
    Metadata,
    MetadataRefused,
    MetadataSigner,
    User,
    derive_key,
    pack_fields,
    unpack_fields,
)

KEY = b"k" * 32
ANN = User("Ann Ünal \udcff", ("editor", "staff"), True)
FACTS = Metadata(ANN, ("192.0.2.1", 4711), ("10.0.0.1", 443), "https", b"shop.example:443", "/reports", "")
BARE = Metadata(None, None, ("/run/app.sock", None), "http", b"", "/", "0af7651916cd43dd8448eb211c80319c")


@pytest.mark.parametrize("facts", [FACTS, BARE])
def test_what_is_signed_is_read_by_the_same_pool(facts: Metadata) -> None:
    value = MetadataSigner(KEY, "reports").sign(facts)
    assert MetadataSigner(KEY, "reports").read(value) == facts
    assert not set(value) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.")


def test_there_is_one_way_to_write_it_and_it_is_remembered() -> None:
    signer = MetadataSigner(KEY, "reports")
    assert signer.sign(FACTS) is signer.sign(FACTS._replace())
    assert signer.sign(FACTS) == MetadataSigner(KEY, "reports").sign(FACTS)
    assert signer.read(signer.sign(FACTS)) is signer.read(bytes(bytearray(signer.sign(FACTS))))


def _signed(payload: bytes, key: bytes = KEY, pool: bytes = b"reports", version: bytes = b"1") -> bytes:
    encoded = base64.urlsafe_b64encode(payload)
    digest = hmac.digest(key, b"penstock-metadata %b %b " % (version, pool) + encoded, "sha256")
    return b"%b.%b.%b" % (version, encoded, base64.urlsafe_b64encode(digest))


def _forgeries() -> dict[str, bytes]:
    good = MetadataSigner(KEY, "reports").sign(FACTS)
    version, payload, signature = good.split(b".")
    root = base64.urlsafe_b64encode(json.dumps([["root", ["staff"], True], *list(BARE)[1:2]]).encode())
    return {
        "nothing": b"",
        "no signature": b"1." + payload,
        "an empty signature": b"1.%b." % payload,
        "another payload": b"%b.%b.%b" % (version, root, signature),
        "another version": b"2.%b.%b" % (payload, signature),
        "no version": b"%b.%b" % (payload, signature),
        "a signature that goes on": good + b"A",
        "half a signature": good[:-10],
        "not ASCII": b"1.%b.\xff" % payload,
        "white space": b" " + good,
        "another key": MetadataSigner(b"x" * 32, "reports").sign(FACTS),
        "another pool": MetadataSigner(KEY, "sales").sign(FACTS),
        "not JSON": _signed(b"\xff\xfe"),
        "no array": _signed(b"{}"),
        "too few members": _signed(b"[null]"),
        "members of other types": _signed(b'[1,"ab",3,4,5,6,7]'),
        "a megabyte": b"1." + b"A" * 1_000_001,
    }


@pytest.mark.parametrize("name", list(_forgeries()))
def test_pipeline_w_what_was_not_signed_for_this_pool_is_refused(name: str) -> None:
    signer = MetadataSigner(KEY, "reports")
    for _ in range(2):
        with pytest.raises(MetadataRefused):
            signer.read(_forgeries()[name])


def test_each_pool_has_a_key_of_its_own() -> None:
    keys = {derive_key(KEY, name) for name in ("reports", "sales", "")}
    assert len(keys) == 3
    assert KEY not in keys
    assert all(len(key) == 32 for key in keys)


def test_a_key_that_can_be_guessed_is_refused_and_none_is_shown() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        MetadataSigner(b"short", "reports")
    assert "kkkk" not in repr(MetadataSigner(KEY, "reports"))


def test_what_is_remembered_is_bounded() -> None:
    signer = MetadataSigner(KEY, "reports")
    values = [signer.sign(FACTS._replace(client=("192.0.2.1", port))) for port in range(5000)]
    assert [signer.read(value).client for value in values] == [("192.0.2.1", port) for port in range(5000)]
    assert signer.read(values[0]).client == ("192.0.2.1", 0)


def test_rfc9110_7_6_1_what_belongs_to_a_connection_comes_through_under_another_name() -> None:
    sent = [
        (b"host", b"a"),
        (b"accept", b"*/*"),
        (b"connection", b"keep-alive, x"),
        (b"x", b""),
        (b"content-length", b"5"),
    ]
    packed = pack_fields(sent)
    assert b"penstock-was-connection: keep-alive, x\r\n" in packed
    assert not {b"\nhost:", b"\nconnection:", b"\ncontent-length:"} & {
        b"\n" + line[:11] for line in packed.split(b"\r\n")
    }
    arrived = [
        (b"host", b"other"),
        *_split(packed),
        (b"content-length", b"7"),
        (FIELD, b"1.x.y"),
        (b"connection", b"close"),
    ]
    assert unpack_fields(arrived) == sent


def test_what_a_client_sends_under_our_names_is_dropped() -> None:
    forged = [(FIELD, b"1.x.y"), (b"penstock-was-host", b"evil"), (b"penstock-target", b"/x"), (b"penstock-new", b"1")]
    assert pack_fields([*forged, (b"a", b"b")]) == b"a: b\r\n"
    assert pack_fields([(b"penstock_metadata", b"1")]) == b"penstock_metadata: 1\r\n"  # another name, read by nobody


def _split(packed: bytes) -> list[tuple[bytes, bytes]]:
    pairs = [line.partition(b": ") for line in packed.split(b"\r\n")[:-1]]
    return [(name, value) for name, _, value in pairs]


def test_whatever_a_pool_would_act_upon_comes_under_another_name() -> None:
    acted_upon = JUDGED - {b"authorization", b"content-type"}  # judged for coming twice, which the front has done
    assert {name for name in JUDGED if pack_fields([(name, b"")]) != b"%b: \r\n" % name} == acted_upon
