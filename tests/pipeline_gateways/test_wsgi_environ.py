"""The environ, PEP 3333 section "environ Variables" and middleware section 15.4 rule 2."""

import asyncio
from typing import Any
from wsgiref.validate import validator

import pytest

from penstock.pipeline_gateways.file_wrapper import FileWrapper
from penstock.pipeline_gateways.wsgi_environ import EnvironMaker, reread
from penstock.pipeline_gateways.wsgi_errors import ErrorLog
from penstock.server.guests import AsgiGuest
from penstock.settings import AppSettings, LogSettings, ServerSettings, Settings, SiteSettings
from tests.intake.asgi_server import AsgiServer, scope_of
from tests.pipeline_gateways.wsgi_subject import OK, TEXT, Environ, Start, ask


class Recorder:
    """An application that keeps its environ."""

    def __init__(self) -> None:
        self.environ: Environ = {}

    def __call__(self, environ: Environ, start_response: Start) -> list[bytes]:
        self.environ = environ
        start_response(OK, TEXT)
        return [environ["wsgi.input"].read()]


def environ_of(target: str = "/", **options: Any) -> Environ:
    recorder = Recorder()
    assert ask(recorder, target, **options).status == 200
    return recorder.environ


class TestTypes:
    @pytest.mark.parametrize("threads", [0, 1, 2])
    def test_wsgiref_validate_accepts_it(self, threads: int) -> None:
        recorder = Recorder()

        def application(environ: Environ, start_response: Start) -> Any:
            recorder.environ = environ
            start_response(OK, TEXT)
            return [environ["wsgi.input"].read(100)]

        answer = ask(
            validator(application),  # type: ignore[arg-type]
            "/a%C3%A9/b?c=d",
            method="POST",
            body=b"body",
            headers={"content-type": "text/plain", "x-one": "é"},
            threads=threads,
        )
        assert (answer.status, answer.body) == (200, b"body")

    def test_pipeline_g06_it_tells_of_a_stop_in_threads(self) -> None:
        found = environ_of("/a")["penstock.stopping"]
        assert found.is_set()  # the site has stopped meanwhile
        assert found.wait(0)

    def test_it_is_a_dict_and_cgi_values_are_native_strings(self) -> None:
        environ = environ_of("/a?b", headers={"x-one": "1"})
        assert type(environ) is dict
        assert {key: type(value) for key, value in environ.items() if "." not in key and type(value) is not str} == {}

    def test_two_requests_share_no_environ(self) -> None:
        recorder = Recorder()
        ask(recorder, "/one", headers={"x-one": "1"})
        first = recorder.environ
        ask(recorder, "/two")
        assert first is not recorder.environ
        assert "HTTP_X_ONE" not in recorder.environ


class TestRequestLine:
    def test_method_query_and_protocol(self) -> None:
        environ = environ_of("/a?b=c&d=%20", method="PUT")
        assert environ["REQUEST_METHOD"] == "PUT"
        assert environ["QUERY_STRING"] == "b=c&d=%20"
        assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"

    def test_the_target_as_it_came(self) -> None:
        environ = environ_of("/a%2Fb/../c?d")
        assert environ["REQUEST_URI"] == environ["RAW_URI"] == "/a%2Fb/../c?d"

    def test_no_query_is_an_empty_one(self) -> None:
        assert environ_of("/a")["QUERY_STRING"] == ""


class TestPaths:
    @pytest.mark.parametrize(
        ("at", "root_path", "target", "script_name", "path_info"),
        [
            ("/", "", "/", "", "/"),
            ("/", "", "/a/b", "", "/a/b"),
            ("/a", "", "/a", "/a", ""),
            ("/a", "", "/a/", "/a", "/"),
            ("/a", "", "/a/b", "/a", "/b"),
            ("/a/b", "", "/a/b/c//d", "/a/b", "/c//d"),
            ("/a", "/outer", "/a/b", "/outer/a", "/b"),
            ("/", "/outer", "/a", "/outer", "/a"),
            ("/", "", "/caf%C3%A9", "", "/caf\xc3\xa9"),
            ("/é", "", "/%C3%A9/%E2%82%AC", "/\xc3\xa9", "/\xe2\x82\xac"),
        ],
    )
    def test_script_name_and_path_info(
        self, at: str, root_path: str, target: str, script_name: str, path_info: str
    ) -> None:
        environ = environ_of(target, at=at, root_path=root_path)
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)

    @pytest.mark.parametrize(("path", "path_info"), [("/ab", "/ab"), ("/a/b", "/b"), ("/a", ""), ("/b", "/b")])
    def test_middleware_15_4_e_a_prefix_counts_by_whole_segments(self, path: str, path_info: str) -> None:
        assert make_maker("/a").path_info(path) == path_info

    def test_options_asterisk_has_no_path(self) -> None:
        # RFC 3875 section 4.1.5: a PATH_INFO that is not empty begins with a slash
        assert make_maker("").path_info("*") == ""

    def test_bytes_are_reread_as_pep_3333_wants(self) -> None:
        assert reread("€").encode("latin-1").decode("utf-8") == "€"


class TestHeaders:
    def test_names(self) -> None:
        environ = environ_of(
            "/", method="POST", body=b"1234", headers={"X-Real-Name": "a", "Content-Type": "text/x", "Accept": "b"}
        )
        assert (environ["HTTP_X_REAL_NAME"], environ["HTTP_ACCEPT"]) == ("a", "b")
        assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/x", "4")
        assert "HTTP_CONTENT_TYPE" not in environ
        assert "HTTP_CONTENT_LENGTH" not in environ

    def test_without_a_body_there_is_no_length(self) -> None:
        environ = environ_of()
        assert "CONTENT_LENGTH" not in environ
        assert "CONTENT_TYPE" not in environ

    def test_values_are_bytes_in_native_strings(self) -> None:
        assert environ_of(headers={"x-one": "caf\xe9"})["HTTP_X_ONE"] == "caf\xe9"

    def test_duplicates_are_joined_and_cookies_as_cookies(self) -> None:
        environ: Environ = {}
        make_maker("").add_headers(
            environ, [(b"x-one", b"a"), (b"cookie", b"a=1"), (b"x-one", b"b"), (b"cookie", b"b=2"), (b"x-one", b"")]
        )
        assert environ == {"HTTP_X_ONE": "a,b,", "HTTP_COOKIE": "a=1; b=2"}

    @pytest.mark.parametrize("first", [True, False])
    def test_row_19_a_twin_with_underscores_is_dropped(self, first: bool) -> None:
        twins = [(b"x_forwarded_for", b"evil"), (b"content_length", b"9"), (b"x_forwarded-for", b"evil")]
        good = [(b"x-forwarded-for", b"good"), (b"content-length", b"4")]
        environ: Environ = {}
        make_maker("").add_headers(environ, twins + good if first else good + twins)
        assert environ == {"HTTP_X_FORWARDED_FOR": "good", "CONTENT_LENGTH": "4"}

    def test_no_header_can_pose_as_a_variable_of_ours(self) -> None:
        names = ["remote-user", "script-name", "wsgi.url-scheme", "request-method", "remote-addr"]
        environ = environ_of("/", headers=dict.fromkeys(names, "evil"))
        assert [key for key, value in environ.items() if value == "evil" and not key.startswith("HTTP_")] == []
        assert "REMOTE_USER" not in environ

    def test_what_is_remembered_of_names_is_bounded(self) -> None:
        maker = make_maker("")
        for number in range(3000):
            maker.add_headers({}, [(b"x-%d" % number, b"")])
        assert len(maker._keys) <= 1024
        environ: Environ = {}
        maker.add_headers(environ, [(b"content-type", b"a")])
        assert environ == {"CONTENT_TYPE": "a"}


class TestAddresses:
    def test_both_ends(self) -> None:
        environ = environ_of()
        assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("127.0.0.1", "50000")
        assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", "80")
        assert environ["wsgi.url_scheme"] == "http"

    @pytest.mark.parametrize(
        ("client", "wanted"),
        [
            (("203.0.113.7", 4711), {"REMOTE_ADDR": "203.0.113.7", "REMOTE_PORT": "4711"}),
            (("203.0.113.7", None), {"REMOTE_ADDR": "203.0.113.7"}),  # the server in front does not say it
            (("203.0.113.7", 0), {"REMOTE_ADDR": "203.0.113.7"}),  # nor does a proxy
            (None, {}),
        ],
    )
    def test_rfc3875_section_4_1_8_what_is_not_known_is_not_told(self, client: object, wanted: Environ) -> None:
        recorder = Recorder()

        async def journey() -> None:
            guest = AsgiGuest(
                Settings(
                    server=ServerSettings(log=LogSettings(access=False)),
                    sites=(SiteSettings(apps=(AppSettings(at="/", wsgi="tested:application"),)),),
                ),
                objects={"tested:application": recorder},
            )
            server = AsgiServer()
            await guest(scope_of(client=client), server.receive, server.send)
            await next(iter(guest._lives.values())).guest.stop()

        asyncio.run(journey())
        assert {key: value for key, value in recorder.environ.items() if key.startswith("REMOTE_")} == wanted


class TestWsgiKeys:
    @pytest.mark.parametrize(("threads", "is_multithreaded"), [(0, False), (1, False), (2, True)])
    def test_wsgi_keys(self, threads: int, is_multithreaded: bool) -> None:
        environ = environ_of(threads=threads)
        assert environ["wsgi.version"] == (1, 0)
        assert environ["wsgi.multithread"] is is_multithreaded
        assert environ["wsgi.multiprocess"] is True
        assert environ["wsgi.run_once"] is False
        assert environ["wsgi.input_terminated"] is True
        assert environ["wsgi.file_wrapper"] is FileWrapper
        assert isinstance(environ["wsgi.errors"], ErrorLog)

    def test_the_context_of_the_request_is_at_hand(self) -> None:
        assert environ_of("/path")["penstock.context"].request.path == "/path"


def make_maker(at: str) -> EnvironMaker:
    return EnvironMaker(at=at, root_path="", is_multithreaded=True, errors=ErrorLog())
