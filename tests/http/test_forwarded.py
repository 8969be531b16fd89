"""This file is the test of what is believed of a proxy: bad-input rows 80 and 81, RFC 7239, and the walk over the hops."""

import pytest

from penstock.errors import ConfigurationError, RequestRejected
from penstock.http.forwarded import Effective, Family, TrustedProxies

PROXY = ("127.0.0.1", 4711)
PLAIN = Effective(PROXY, "http", "site.example", b"")
LOCAL = TrustedProxies(["127.0.0.0/8", "::1", "10.0.0.0/8", "unix:"])


def apply(*fields: tuple[bytes, bytes], family: Family = "x-forwarded", hops: int = 1) -> Effective:
    return LOCAL.apply(fields, PROXY, "http", "site.example", family=family, hops=hops)


def apply_for(*values: bytes, hops: int = 1) -> Effective:
    return apply(*((b"x-forwarded-for", value) for value in values), hops=hops)


def apply_forwarded(*values: bytes, hops: int = 1) -> Effective:
    return apply(*((b"forwarded", value) for value in values), family="forwarded", hops=hops)


class TestTrust:
    def test_addresses_and_networks(self) -> None:
        proxies = TrustedProxies(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])
        trusted = ["10.1.2.3", "192.0.2.7", "2001:db8::1", "::ffff:10.0.0.1"]
        strangers = ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::ffff:11.0.0.1", "", "localhost", "10.0.0.1 "]
        assert [proxies.trusts(host, is_unix=False) for host in trusted] == [True] * len(trusted)
        assert [proxies.trusts(host, is_unix=False) for host in strangers] == [False] * len(strangers)

    def test_the_answer_is_remembered_and_memory_is_bounded(self) -> None:
        proxies = TrustedProxies(["10.0.0.0/9"])
        for number in range(10_000):
            assert proxies.trusts(f"10.{number // 100}.{number % 100}.1", is_unix=False) == (number < 12_800)
        assert len(proxies._remembered) <= 4096

    @pytest.mark.parametrize(("networks", "trusted"), [(["unix:"], True), (["*"], True), (["127.0.0.1"], False)])
    def test_unix_sockets(self, networks: list[str], trusted: bool) -> None:
        assert TrustedProxies(networks).trusts(None, is_unix=True) is trusted

    def test_an_unknown_client_is_never_trusted(self) -> None:
        assert not TrustedProxies(["*", "unix:"]).trusts(None, is_unix=False)

    def test_everybody(self) -> None:
        assert TrustedProxies(["*"]).trusts("203.0.113.1", is_unix=False)

    def test_mistakes_are_all_told_with_what_would_be_right(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            TrustedProxies(["localhost", "10.0.0.1", "10.0.0.1/8", "unix:/run/x"], where="site.toml:9")
        assert [str(problem) for problem in caught.value.problems] == [
            'site.toml:9: "localhost" is neither an address nor a network: write "10.0.0.1", "10.0.0.0/8", "unix:" or "*"',
            'site.toml:9: "10.0.0.1/8" is an address with the size of a network: write "10.0.0.0/8"',
            'site.toml:9: "unix:/run/x" is neither an address nor a network: write "10.0.0.1", "10.0.0.0/8", "unix:" or "*"',
        ]


class TestXForwarded:
    def test_without_fields_nothing_changes(self) -> None:
        assert apply((b"user-agent", b"x")) == PLAIN

    def test_everything_is_taken_over(self) -> None:
        effective = apply(
            (b"x-forwarded-for", b"203.0.113.9"),
            (b"x-forwarded-proto", b"HTTPS"),
            (b"x-forwarded-host", b"Shop.Example:8443"),
        )
        assert effective == Effective(("203.0.113.9", 0), "https", "shop.example", b"Shop.Example:8443")

    @pytest.mark.parametrize(
        ("value", "client"),
        [
            (b"203.0.113.9", ("203.0.113.9", 0)),
            (b"203.0.113.9:4711", ("203.0.113.9", 4711)),
            (b"2001:DB8::0:1", ("2001:db8::1", 0)),
            (b"[2001:db8::1]", ("2001:db8::1", 0)),
            (b"[2001:db8::1]:65535", ("2001:db8::1", 65535)),
            (b"fe80::1%eth0", ("fe80::1", 0)),
            (b"[fe80::1%eth0]:80", ("fe80::1", 80)),
            (b"::ffff:203.0.113.9", ("203.0.113.9", 0)),
            (b"unknown", None),
            (b"_hidden", None),
            (b"unix:", None),
            (b" 203.0.113.9\t", ("203.0.113.9", 0)),
            (b"6.6.6.6, 203.0.113.9", ("203.0.113.9", 0)),
            (b"evil', 203.0.113.9", ("203.0.113.9", 0)),
            (b",,203.0.113.9", ("203.0.113.9", 0)),
        ],
    )
    def test_row_80_client(self, value: bytes, client: tuple[str, int] | None) -> None:
        assert apply_for(value).client == client

    @pytest.mark.parametrize(
        "value",
        [
            b"1.2.3.4, evil",
            b"1.2.3.4,",
            b"1.2.3.4, ,",
            b"localhost",
            b"1.2.3",
            b"1.2.3.4.5",
            b"01.2.3.4",
            b"0x7f.0.0.1",
            b"256.1.1.1",
            b"1.2.3.4:65536",
            b"1.2.3.4:",
            b"1.2.3.4:x",
            b"1.2.3.4 5.6.7.8",
            b"[::1",
            b"::1]",
            b"[::1]x",
            b"[1.2.3.4]",
            b"[]",
            b":",
            b"1:2",
            b"::1::",
            b"fe80::1%",
            b"fe80::1%a b",
            b"10.0.0.1/8",
            b'"1.2.3.4"',
            b"<script>",
            b"\xff",
            b"unix:/run/x",
            b"for=1.2.3.4",
        ],
    )
    def test_row_80_nonsense_of_a_trusted_proxy_is_refused_and_never_the_client(self, value: bytes) -> None:
        with pytest.raises(RequestRejected) as caught:
            apply_for(value)
        assert caught.value.status == 400

    def test_row_80_an_empty_field_is_none(self) -> None:
        assert apply_for(b"") == PLAIN
        assert apply_for(b" , ,") == PLAIN

    def test_row_80_lines_of_one_name_are_joined(self) -> None:
        assert apply_for(b"6.6.6.6", b"203.0.113.9").client == ("203.0.113.9", 0)
        with pytest.raises(RequestRejected):
            apply_for(b"6.6.6.6", b"")

    def test_row_80_ten_thousand_hops_are_refused(self) -> None:
        with pytest.raises(RequestRejected):
            apply_for(b"1.2.3.4," * 9_999 + b"1.2.3.4")
        assert apply_for(b"6.6.6.6," * 99 + b"1.2.3.4").client == ("1.2.3.4", 0)

    def test_row_80_names_of_others_are_not_looked_at(self) -> None:
        fields = [(b"x-client-ip", b"6.6.6.6"), (b"x-real-ip", b"6.6.6.6"), (b"forwarded", b"for=6.6.6.6;proto=https")]
        assert apply(*fields) == PLAIN
        assert apply((b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-proto", b"https"), family="forwarded") == PLAIN
        assert apply((b"x-forwarded-for", b"6.6.6.6"), *fields, family="none") == PLAIN

    def test_hops_are_walked_over_trusted_addresses_only(self) -> None:
        assert apply_for(b"6.6.6.6, 203.0.113.9, 10.0.0.2", hops=1).client == ("10.0.0.2", 0)
        assert apply_for(b"6.6.6.6, 203.0.113.9, 10.0.0.2", hops=2).client == ("203.0.113.9", 0)
        assert apply_for(b"6.6.6.6, 203.0.113.9, 10.0.0.2", hops=9).client == ("203.0.113.9", 0)
        assert apply_for(b"10.0.0.3, 10.0.0.2", hops=9).client == ("10.0.0.3", 0)
        assert apply_for(b"203.0.113.9, unix:, 10.0.0.2", hops=9).client == ("203.0.113.9", 0)
        assert apply_for(b"203.0.113.9, unknown, 10.0.0.2", hops=9).client is None

    def test_lists_of_equal_length_go_by_position(self) -> None:
        fields = [
            (b"x-forwarded-for", b"6.6.6.6, 203.0.113.9, 10.0.0.2"),
            (b"x-forwarded-proto", b"ftp, https, http"),
            (b"x-forwarded-host", b"evil, shop.example, inner"),
        ]
        assert apply(*fields, hops=2) == Effective(("203.0.113.9", 0), "https", "shop.example", b"shop.example")
        assert apply(*fields, hops=1) == Effective(("10.0.0.2", 0), "http", "inner", b"inner")

    def test_one_value_is_that_of_the_nearest_proxy(self) -> None:
        assert apply((b"x-forwarded-for", b"6.6.6.6, 203.0.113.9"), (b"x-forwarded-proto", b"https")).scheme == "https"

    def test_lists_that_differ_in_length_are_refused(self) -> None:
        with pytest.raises(RequestRejected, match="differ in how many hops"):
            apply((b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https, http"))

    def test_scheme_alone(self) -> None:
        assert apply((b"x-forwarded-proto", b"https")) == PLAIN._replace(scheme="https")
        assert apply((b"x-forwarded-proto", b"wss")).scheme == "https"

    @pytest.mark.parametrize("proto", [b"ftp", b"https://", b"https;", b"javascript", b"\xff", b"https, "])
    def test_row_81_a_scheme_of_another_kind_is_refused(self, proto: bytes) -> None:
        with pytest.raises(RequestRejected):
            apply((b"x-forwarded-proto", proto))

    @pytest.mark.parametrize("host", [b"a b", b"a/b", b"user@evil", b"[::1", b"a:b", b"a:70000", b"<x>", b"a, "])
    def test_a_host_is_held_to_the_rules_of_the_host_field(self, host: bytes) -> None:
        with pytest.raises(RequestRejected):
            apply((b"x-forwarded-host", host))

    def test_ipv6_host(self) -> None:
        effective = apply((b"x-forwarded-host", b"[2001:DB8::1]:8443"))
        assert (effective.host, effective.authority) == ("[2001:db8::1]", b"[2001:DB8::1]:8443")

    @pytest.mark.parametrize(
        ("fields", "authority"),
        [
            ({b"x-forwarded-port": b"8443"}, b"site.example:8443"),
            ({b"x-forwarded-port": b"80"}, b""),
            ({b"x-forwarded-port": b"443", b"x-forwarded-proto": b"https"}, b""),
            ({b"x-forwarded-port": b"80", b"x-forwarded-proto": b"https"}, b"site.example:80"),
            ({b"x-forwarded-port": b"8443", b"x-forwarded-host": b"shop.example"}, b"shop.example:8443"),
            ({b"x-forwarded-port": b"443", b"x-forwarded-host": b"shop.example:9"}, b"shop.example:9"),
            ({b"x-forwarded-port": b"8443", b"x-forwarded-host": b"[::1]"}, b"[::1]:8443"),
        ],
    )
    def test_port(self, fields: dict[bytes, bytes], authority: bytes) -> None:
        assert apply(*fields.items()).authority == authority

    @pytest.mark.parametrize("port", [b"0", b"65536", b"x", b"-1", b"999999999999", b"\xb2"])
    def test_a_port_that_is_none_is_refused(self, port: bytes) -> None:
        with pytest.raises(RequestRejected):
            apply((b"x-forwarded-port", port))

    def test_memory_of_clients_is_bounded(self) -> None:
        proxies = TrustedProxies(["127.0.0.1"])
        for number in range(10_000):
            field = (b"x-forwarded-for", b"10.0.%d.%d" % divmod(number, 250))
            for _ in range(2):
                proxies.apply([field], PROXY, "http", "a", family="x-forwarded", hops=1)
        proxies.apply([(b"x-forwarded-for", b"_" + b"x" * 8000)], PROXY, "http", "a", family="x-forwarded", hops=1)
        assert len(proxies._nodes) <= 4096
        assert max(map(len, proxies._nodes)) <= 64


class TestForwarded:
    """RFC 7239"""

    def test_section_4_examples(self) -> None:
        assert apply_forwarded(b'For="[2001:db8:cafe::17]:4711"').client == ("2001:db8:cafe::17", 4711)
        assert apply_forwarded(b"for=192.0.2.60;proto=http;by=203.0.113.43").client == ("192.0.2.60", 0)
        assert apply_forwarded(b"for=192.0.2.43, for=198.51.100.17").client == ("198.51.100.17", 0)
        assert apply_forwarded(b'for="_gazonk"').client is None

    def test_everything_is_taken_over(self) -> None:
        effective = apply_forwarded(b'for="203.0.113.9:4711";proto=https;host="Shop.example:8443";by=_me')
        assert effective == Effective(("203.0.113.9", 4711), "https", "shop.example", b"Shop.example:8443")

    @pytest.mark.parametrize(
        ("value", "client"),
        [
            (b"for=unknown", None),
            (b'for="unknown:80"', None),
            (b"for=_a.b-c", None),
            (b'for="203.0.113.9:_port"', ("203.0.113.9", 0)),
            (b'for="203.0.113\\.9"', ("203.0.113.9", 0)),
            (b" for=203.0.113.9 ; proto=http , for=198.51.100.1 ", ("198.51.100.1", 0)),
            (b';for=203.0.113.9;;secret="a,b;c=\\"d"', ("203.0.113.9", 0)),
            (b"for=evil, for=203.0.113.9", ("203.0.113.9", 0)),
        ],
    )
    def test_client(self, value: bytes, client: tuple[str, int] | None) -> None:
        assert apply_forwarded(value).client == client

    @pytest.mark.parametrize(
        "value",
        [
            b'for="[::1]:x;by=1.2.3.4"',
            b"for=[::1]",
            b'for="::1"',
            b"for=1.2.3.4:80",
            b'for="1.2.3.4',
            b'for=1.2.3.4"',
            b'for="1.2.3.4"x',
            b'for="evil, for=1.2.3.4',
            b'for="evil, for="1.2.3.4"',
            b"for=1.2.3.4;for=5.6.7.8",
            b"for=1.2.3.4;FOR=5.6.7.8",
            b"for = 1.2.3.4",
            b"for=",
            b"for",
            b"=1.2.3.4",
            b"for=evil",
            b"for=1.2.3.4,",
            b"for=1.2.3.4, ;",
            b"for=1.2.3.4 proto=https",
            b'for="1.2.3.4\\',
            b'for="a\x01"',
            b"for=1.2.3.4;proto=ftp",
            b'for=1.2.3.4;host="a b"',
            b"for=\xff",
        ],
    )
    def test_row_80_nonsense_of_a_trusted_proxy_is_refused(self, value: bytes) -> None:
        with pytest.raises(RequestRejected) as caught:
            apply_forwarded(value)
        assert caught.value.status == 400

    def test_lines_are_joined(self) -> None:
        assert apply_forwarded(b"for=6.6.6.6", b"for=203.0.113.9").client == ("203.0.113.9", 0)

    def test_an_empty_field_is_none(self) -> None:
        assert apply_forwarded(b"", b" ; ,") == PLAIN

    def test_hops(self) -> None:
        value = (
            b"for=6.6.6.6;proto=http;host=evil, for=203.0.113.9;proto=https;host=shop.example, for=10.0.0.2;proto=http"
        )
        assert apply_forwarded(value, hops=1) == Effective(("10.0.0.2", 0), "http", "site.example", b"")
        assert apply_forwarded(value, hops=5) == Effective(("203.0.113.9", 0), "https", "shop.example", b"shop.example")

    def test_an_element_without_for_tells_the_rest_and_ends_the_walk(self) -> None:
        assert apply_forwarded(b"for=6.6.6.6, proto=https", hops=2) == PLAIN._replace(scheme="https")

    def test_what_the_outer_proxy_does_not_say_the_inner_may(self) -> None:
        assert apply_forwarded(b"for=203.0.113.9, for=10.0.0.2;proto=https", hops=2) == PLAIN._replace(
            client=("203.0.113.9", 0), scheme="https"
        )

    def test_row_80_ten_thousand_hops_are_refused(self) -> None:
        with pytest.raises(RequestRejected):
            apply_forwarded(b"for=1.2.3.4," * 9_999 + b"for=1.2.3.4")

    @pytest.mark.parametrize(
        "value", [b'for="' + b"\\" * 100_000, b"a" * 100_000, b'a="' + b'\\"' * 50_000, b";" * 100_000]
    )
    def test_row_80_reading_is_linear(self, value: bytes) -> None:
        with pytest.raises(RequestRejected):
            apply_forwarded(value + b",!")
