"""What an environ says becomes a head, or a refusal (middleware section 15.4, «ASGI3 -> WSGI»; PEP 3333)."""

import asyncio
import threading
from typing import Any
from wsgiref.validate import validator

import pytest

from penstock.hosts.wsgi_host import WsgiHost
from penstock.http.messages import ResponseHead
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import WorkerRequest
from penstock.server.trust import Trust
from penstock.settings.model import LimitSettings, ProxySettings
from tests.hosts.wsgi_server import Environ, WsgiServer, environ_of
from tests.testing.http1_requests import CatchingSite


class AnsweringSite(CatchingSite):
    def process(self, worker_request: WorkerRequest, runtime: Runtime) -> None:
        worker_request.send(ResponseHead(200, [(b"content-type", b"text/plain")]), b"hello", False)
        super().process(worker_request, runtime)


async def exchange(environ: Environ, *, wrap: Any = None, **limits: Any) -> tuple[Any, WsgiServer]:
    """The request that an environ becomes, None when it was refused, and what the server has sent."""
    site = AnsweringSite()
    runtime = Runtime([site])
    await runtime.start()
    believe = Trust(ProxySettings()).find_guest_policy()
    application: Any = WsgiHost(runtime, LimitSettings(**limits), believe).handle
    server = WsgiServer(wrap(application) if wrap else application, environ)
    server.wire.tell(is_whole=True)
    await asyncio.to_thread(server.serve)
    await runtime.stop()
    assert runtime.statistics().rejected == (not site.caught.done())
    return (site.caught.result() if site.caught.done() else None), server


def take(environ: Environ, **limits: int) -> Any:
    made, server = asyncio.run(exchange(environ, **limits))
    assert (server.status, server.body) == ("200 OK", b"hello")
    return made


class TestHeads:
    def test_what_was_asked(self) -> None:
        made = take(
            environ_of(
                "PUT",
                "/a b/\xc3\xbc",
                QUERY_STRING="q=%20",
                HTTP_X_SEEN="1, 2",
                CONTENT_TYPE="text/plain",
                CONTENT_LENGTH="5",
            )
        )
        head = made.head
        assert (head.method, head.path, head.raw_path, head.query) == ("PUT", "/a b/ü", b"/a%20b/%C3%BC", b"q=%20")
        assert head.find(b"x-seen") == b"1, 2"
        assert (head.find(b"content-type"), head.content_length) == (b"text/plain", 5)
        assert (made.client, made.server, made.scheme) == (("203.0.113.7", 4711), ("192.0.2.1", 80), "http")

    @pytest.mark.parametrize("key", ["RAW_URI", "REQUEST_URI"])
    def test_the_path_is_as_it_was_sent_where_the_server_tells(self, key: str) -> None:
        made = take(environ_of(path="/a/b", **{key: "/a%2Fb?q=1", "QUERY_STRING": "q=1"}))
        assert (made.head.path, made.head.raw_path, made.head.query) == ("/a/b", b"/a%2Fb", b"q=1")

    def test_middleware_in_front_may_lead_elsewhere(self) -> None:
        made = take(environ_of(path="/elsewhere", RAW_URI="/a%2Fb"))
        assert (made.head.path, made.head.raw_path) == ("/elsewhere", b"/elsewhere")

    @pytest.mark.parametrize("raw", ["", "/shop/a%20b?q", "/elsewhere"])
    def test_the_site_is_where_script_name_ends(self, raw: str) -> None:
        made = take(environ_of(SCRIPT_NAME="/shop", path="/a b", RAW_URI=raw, QUERY_STRING="q"))
        assert (made.head.path, made.head.raw_path, made.head.target) == ("/a b", b"/a%20b", b"/shop/a%20b?q")

    def test_an_empty_path_is_the_root(self) -> None:
        assert take(environ_of(SCRIPT_NAME="/shop", path="", RAW_URI="/shop")).head.path == "/"

    def test_options_of_everything(self) -> None:
        assert take(environ_of("OPTIONS", "*")).head.target == b"*"

    def test_an_older_client_needs_no_host(self) -> None:
        environ = environ_of(SERVER_PROTOCOL="HTTP/1.0")
        del environ["HTTP_HOST"]
        assert take(environ).head.version == "1.0"

    def test_a_server_that_does_not_know_the_client(self) -> None:
        environ = environ_of(REMOTE_ADDR="")
        del environ["REMOTE_PORT"]
        assert take(environ).client is None

    def test_middleware_15_4_without_length_and_flag_there_is_no_body(self) -> None:
        environ = environ_of("POST")
        del environ["wsgi.input_terminated"]
        assert take(environ).head.content_length == 0

    @pytest.mark.parametrize(
        ("said", "status"),
        [
            ({"path": "/../x"}, 400),
            ({"path": "/\xff"}, 400),
            ({"path": "/\0"}, 400),
            ({"path": "/\u0100"}, 400),
            ({"RAW_URI": "/%zz", "path": "/%zz"}, 400),
            ({"RAW_URI": "http://other/"}, 400),
            ({"method": "CONNECT"}, 501),
            ({"HTTP_HOST": "a b"}, 400),
            ({"HTTP_HOST": "a,b"}, 400),
            ({"HTTP_X_A": "a\r\nb: c"}, 400),
            ({"CONTENT_LENGTH": "-1"}, 400),
            ({"CONTENT_LENGTH": "1", "HTTP_TRANSFER_ENCODING": "chunked"}, 400),
            ({"HTTP_TRANSFER_ENCODING": "gzip"}, 501),
            ({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": False}, 411),
        ],
    )
    def test_bad_heads_are_judged_as_our_own(self, said: dict[str, Any], status: int) -> None:
        made, server = asyncio.run(exchange(environ_of(**said)))
        assert (made, server.status[:3], server.failure) == (None, str(status), None)
        assert server.body.startswith(b"%d " % status)

    @pytest.mark.parametrize(
        ("said", "limits", "status"),
        [
            ({"path": "/" + "a" * 100}, {"request_line": 100}, "414"),
            ({"HTTP_X_A": "1" * 1000}, {"header_section": 1000}, "431"),
            ({f"HTTP_X_{number}": "1" for number in range(10)}, {"headers": 10}, "431"),
        ],
    )
    def test_limits_of_heads(self, said: dict[str, Any], limits: dict[str, int], status: str) -> None:
        assert asyncio.run(exchange(environ_of(**said), **limits))[1].status[:3] == status


class TestProxies:
    """[server.proxy] holds for guests as for the own listener."""

    @pytest.mark.parametrize(
        ("peer", "client", "scheme"),
        [
            ("127.0.0.1", ("198.51.100.9", 0), "https"),
            ("", ("198.51.100.9", 0), "https"),  # a Unix socket
            ("203.0.113.7", ("203.0.113.7", 4711), "http"),
            ("localhost", ("localhost", 4711), "http"),  # what waitress says of a Unix socket is no address
        ],
    )
    def test_rfc7239_section_4_who_is_trusted_is_believed(self, peer: str, client: Any, scheme: str) -> None:
        said = {"HTTP_X_FORWARDED_FOR": "198.51.100.9", "HTTP_X_FORWARDED_PROTO": "https"}
        made = take(environ_of(REMOTE_ADDR=peer, **said))
        assert (made.client, made.scheme) == (client, scheme)

    def test_what_a_trusted_one_says_and_makes_no_sense_is_refused(self) -> None:
        _, server = asyncio.run(exchange(environ_of(REMOTE_ADDR="::1", HTTP_X_FORWARDED_PROTO="gopher")))
        assert server.status == "400 Bad Request"


class TestPep3333:
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_it_is_what_wsgiref_takes_for_an_application(self, method: str) -> None:
        environ = environ_of(method)
        _, server = asyncio.run(exchange(environ, wrap=_validated))
        assert server.failure is None
        assert server.body == (b"" if method == "HEAD" else b"hello")
        assert dict(server.fields)["content-length"] == "5"

    def test_it_runs_in_the_thread_that_calls(self) -> None:
        threads: list[int] = []

        def noting(application: Any) -> Any:
            def noted(environ: Environ, start_response: Any) -> Any:
                def start(*said: Any) -> Any:
                    threads.append(threading.get_ident())
                    return start_response(*said)

                threads.append(threading.get_ident())
                return application(environ, start)

            return noted

        asyncio.run(exchange(environ_of(), wrap=noting))
        assert threads[0] == threads[1] != threading.get_ident()


class _Input:
    """As the validator wants it."""

    def read(self, size: int) -> bytes:
        return b""

    def readline(self) -> bytes:
        return b""

    def readlines(self) -> list[bytes]:
        return []

    def __iter__(self) -> Any:
        return iter([])


class _Errors:
    def write(self, text: str) -> None: ...
    def writelines(self, lines: list[str]) -> None: ...
    def flush(self) -> None: ...


def _validated(application: Any) -> Any:
    checked = validator(application)

    def call(environ: Environ, start_response: Any) -> Any:
        return checked({**environ, "wsgi.input": _Input(), "wsgi.errors": _Errors()}, start_response)

    return call
