"""This file is the test of the lines of the access log, and of what cannot get into them (bad-input row 46)."""

import json
import os
import re
import time
from collections.abc import Iterator

import pytest

from penstock.errors import ConfigurationError
from penstock.pipeline_modules.access_formats import AccessRecord, compile_format

AT = 1_795_179_600.25  # 20 November 2026, 13:00:00 UTC
GUNICORN = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from penstock.pipeline_modules import access_formats

    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        for remembered in (
            access_formats._apache,
            access_formats._iso,
            access_formats._iso_zones,
            access_formats._clock,
            access_formats._known,
        ):
            remembered.clear()
        yield
    time.tzset()


def record(
    *,
    client: tuple[str, int | None] | None = ("192.0.2.1", 4711),
    target: bytes = b"/shop?page=2",
    status: int = 200,
    size: int = 1234,
    seconds: float = 0.0123456,
    request: list[tuple[bytes, bytes]] | None = None,
    at: float = AT,
    principal: str = "",
    substatus: bytes = b"",
) -> AccessRecord:
    fields = [(b"host", b"shop.example"), (b"user-agent", b"curl/8"), (b"referer", b"https://a.example/")]
    response = [(b"content-type", b"text/plain")]
    if substatus:
        response.append((b":status", substatus))
    return (
        client,
        "GET",
        target,
        "1.1",
        status,
        size,
        seconds,
        fields if request is None else request,
        response,
        at,
        principal,
    )


def line(text: str, given: AccessRecord | None = None, *, colour: bool = False) -> str:
    return compile_format(text, colour=colour)(record() if given is None else given)


class TestNamed:
    def test_combined_is_apaches(self) -> None:
        assert line("combined") == (
            '192.0.2.1 - - [20/Nov/2026:13:00:00 +0000] "GET /shop?page=2 HTTP/1.1" 200 1234 "https://a.example/" "curl/8"'
        )

    def test_combined_without_anything(self) -> None:
        given = record(client=None, size=0, request=[], principal="ann")
        assert (
            line("combined", given) == '- - ann [20/Nov/2026:13:00:00 +0000] "GET /shop?page=2 HTTP/1.1" 200 - "-" "-"'
        )

    def test_common(self) -> None:
        assert line("common") == '192.0.2.1 - - [20/Nov/2026:13:00:00 +0000] "GET /shop?page=2 HTTP/1.1" 200 1234'

    def test_json(self) -> None:
        assert json.loads(line("json", record(principal="ann"))) == {
            "time": "2026-11-20T13:00:00.250+00:00",
            "client": "192.0.2.1",
            "user": "ann",
            "method": "GET",
            "target": "/shop?page=2",
            "version": "1.1",
            "status": 200,
            "bytes": 1234,
            "seconds": 0.012346,
            "host": "shop.example",
            "referer": "https://a.example/",
            "user_agent": "curl/8",
        }

    def test_pipeline_x11_a_substatus_is_told_with_who_set_it(self) -> None:
        given = record(status=404, substatus=b"404.7 by Filtering@BEGIN")
        assert json.loads(line("json", given))["substatus"] == "404.7 by Filtering@BEGIN"
        assert line("readable", given).endswith("  192.0.2.1  404.7 by Filtering@BEGIN")
        assert line("%(s)s|%(S)s", given) == "404|404.7 by Filtering@BEGIN"
        assert line("%(S)s", record(status=404)) == "404"
        assert "404.7" not in line("combined", given)

    def test_json_without_anything(self) -> None:
        found = json.loads(line("json", record(client=None, request=[])))
        assert [found[name] for name in ("client", "user", "host", "referer", "user_agent")] == [None] * 5

    def test_readable_is_aligned(self) -> None:
        lines = [
            line("readable"),
            line("readable", record(target=b"/", size=0, seconds=12.5, status=404)),
            line("readable", record(target=b"/a", size=2_500_000, seconds=0.0001, status=500)),
        ]
        assert (
            lines[0] == "13:00:00  200  GET     /shop?page=2                               12.3 ms    1.2 kB  192.0.2.1"
        )
        assert {found.index("192.0.2.1") for found in lines} == {lines[0].index("192.0.2.1")}
        assert "12.50 s       0 B" in lines[1]
        assert "0.1 ms    2.5 MB" in lines[2]
        assert line("readable", record(principal="ann")).endswith("192.0.2.1  ann")

    @pytest.mark.parametrize(("status", "code"), [(200, "32"), (304, "36"), (404, "33"), (500, "1;31"), (101, "0")])
    def test_colours_tell_the_kind_of_status(self, status: int, code: str) -> None:
        coloured = line("readable", record(status=status), colour=True)
        assert f"\x1b[{code}m{status}\x1b[0m" in coloured
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == line("readable", record(status=status))

    def test_automatic_is_combined_where_nobody_watches(self) -> None:
        assert line("auto") == line("combined")

    @pytest.mark.parametrize(("zone", "shown"), [("XXX-5:30", "+0530"), ("XXX3", "-0300")])
    def test_zone(self, zone: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert f" {shown}] " in line("common")
        assert f"{shown[:3]}:{shown[3:]}" in line("json")

    def test_time_goes_on(self) -> None:
        found = [line("common", record(at=AT + second)) for second in range(100)]
        assert len(set(found)) == 100


class TestRow46:
    """Nothing a client sends breaks a line, a field or a terminal."""

    @pytest.mark.parametrize(
        "name", ["combined", "common", "json", "readable", GUNICORN, "%({user-agent}i)s %(U)s %(q)s"]
    )
    @pytest.mark.parametrize(
        "evil",
        [b"\x1b[2J", b"a\nb", b"a\r\nb", b'" 200 1 "', b"\\", b"\xe2\x80\xae", b"\x9b31m", b"\x00", b"\x7f", b"\t"],
    )
    def test_what_a_client_sends_is_escaped(self, name: str, evil: bytes) -> None:
        given = record(target=b"/" + evil, request=[(b"user-agent", evil), (b"referer", evil), (b"host", evil)])
        found = line(name, given)
        assert found.isascii()
        assert found.isprintable()
        if name == "json":
            assert json.loads(found)["user_agent"] == evil.decode("utf-8", "backslashreplace")
        elif name != "readable":
            plain = re.sub(r"\\.", "", found)
            assert plain.count('"') == line(name).count('"')

    def test_escapes_are_apaches(self) -> None:
        given = record(request=[(b"user-agent", b'\x1b"\\\n\r\t\xe9')])
        assert line("%(a)s", given) == r"\x1b\"\\\n\r\t\xe9"

    def test_names_of_people_are_escaped_too(self) -> None:
        assert line("%(u)s", record(principal="ann\nbob é")) == r"ann\nbob \xc3\xa9"

    def test_memory_of_browsers_is_bounded(self) -> None:
        from penstock.pipeline_modules.access_formats import _known

        for number in range(3000):
            line("combined", record(request=[(b"user-agent", b"agent %d" % number)]))
        assert len(_known) <= 1024


class TestAtoms:
    def test_gunicorns_own_format_is_combined(self) -> None:
        assert line(GUNICORN) == line("combined")

    @pytest.mark.parametrize(
        ("atom", "shown"),
        [
            ("h", "192.0.2.1"),
            ("l", "-"),
            ("u", "-"),
            ("t", "[20/Nov/2026:13:00:00 +0000]"),
            ("r", "GET /shop?page=2 HTTP/1.1"),
            ("m", "GET"),
            ("U", "/shop"),
            ("q", "page=2"),
            ("H", "HTTP/1.1"),
            ("s", "200"),
            ("b", "1234"),
            ("B", "1234"),
            ("f", "https://a.example/"),
            ("a", "curl/8"),
            ("T", "0"),
            ("M", "12"),
            ("D", "12345"),
            ("L", "0.012346"),
            ("p", f"<{os.getpid()}>"),
            ("{Host}i", "shop.example"),
            ("{x-none}i", "-"),
            ("{Content-Type}o", "text/plain"),
        ],
    )
    def test_atom(self, atom: str, shown: str) -> None:
        assert line(f"%({atom})s") == shown

    def test_empty_answers(self) -> None:
        assert line("%(b)s %(B)s", record(size=0)) == "- 0"

    def test_text_between_widths_and_percent_signs(self) -> None:
        assert line("100%% [%(m)-6s|%(s)6s] %(D)d é") == "100% [GET   |   200] 12345 é"

    @pytest.mark.parametrize(
        ("text", "advice"),
        [
            ("combind", 'no format "combind"; did you mean "combined"?'),
            ("nothing", 'no format "nothing"; a format string holds atoms like %(h)s'),
            ("%(hh)s", 'no atom "hh"'),
            ("%(z)s", "it knows h l u t r m U q H s S b B f a T M D L p {header}i {header}o"),
            ("%h %l", "a % that begins no atom: write %(h)s for an atom, %% for a percent sign"),
            ("50% done", "a % that begins no atom"),
            ("%({HTTP_HOST}e)s", "headers are %({name}i)s and %({name}o)s"),
        ],
    )
    def test_what_does_not_exist_is_named(self, text: str, advice: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            compile_format(text, where="--access-log-format")
        assert advice in caught.value.problems[0].message
        assert caught.value.problems[0].where == "--access-log-format"

    def test_all_mistakes_at_once(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            compile_format("%(z)s %(y)s %h")
        assert len(caught.value.problems) == 3
