"""This file is the test of a request as OWIN hands it to an application (websockets CO-50 to CO-63, section 2.10; T-27)."""

from pathlib import Path
from typing import Any

import pytest

from penstock import Context, ContractError, Principal, Response, Stage
from penstock.pipeline_gateways.owin_environment import OwinEnvironment
from penstock.request_sockets.owin_token import CancellationToken
from tests.pipeline.subject import on
from tests.pipeline_gateways.owin_subject import HANDSHAKE, Environment, answer_of

CONTEXT = "penstock.pipeline.context.Context"


def look(check: Any, *modules: object, at: str = "/", target: str = "/", **asked: Any) -> Any:
    """The answer to a request whose environment was given to `check`."""
    seen = []

    async def application(environment: Environment) -> None:
        check(environment)
        seen.append(environment)

    response = answer_of(application, *modules, at=at, target=target, **asked)
    assert len(seen) == 1, response.body
    return response


class TestReading:
    def test_websockets_t27_environment_can_be_created(self) -> None:
        def sign_in(context: Context) -> None:
            context.principal = Principal("Foo")

        def set_status(context: Context) -> None:
            context.response.status = 201
            context.response.headers["X-Custom-Response"] = "CustomResponse"

        def check(environment: Environment) -> None:
            assert environment["owin.RequestMethod"] == "REPORT"
            assert environment["owin.RequestPathBase"] == "/pathBase"
            assert environment["owin.RequestPath"] == "/path"
            assert environment["owin.RequestProtocol"] == "HTTP/1.1"
            assert environment["owin.RequestQueryString"] == "key=value"
            assert environment["owin.RequestScheme"] == "http"
            assert environment["server.User"].name == environment["owin.RequestUser"].name == "Foo"
            assert environment["owin.RequestHeaders"]["CustomRequestHeader"] == ["CustomRequestValue"]
            assert environment["owin.ResponseHeaders"]["x-custom-response"] == ["CustomResponse"]
            assert environment["owin.ResponseStatusCode"] == 201
            assert environment["owin.ResponseReasonPhrase"] == "Created"

        look(
            check,
            on(Stage.AUTHENTICATE, sign_in),
            on(Stage.PRE_EXECUTE, set_status),
            at="/pathBase",
            target="/pathBase/path?key=value",
            method="REPORT",
            headers={"CustomRequestHeader": "CustomRequestValue"},
        )

    @pytest.mark.parametrize(
        ("at", "target", "base", "path"),
        [
            ("/", "/", "", "/"),
            ("/", "/a/b", "", "/a/b"),
            ("/a", "/a", "/a", ""),
            ("/a", "/a/", "/a", "/"),
            ("/a", "/a/%C3%A9", "/a", "/é"),
        ],
    )
    def test_path_and_path_base_make_the_whole(self, at: str, target: str, base: str, path: str) -> None:
        def check(environment: Environment) -> None:
            assert (environment["owin.RequestPathBase"], environment["owin.RequestPath"]) == (base, path)

        look(check, at=at, target=target)

    def test_websockets_co51_addresses_are_texts(self) -> None:
        def check(environment: Environment) -> None:
            worker_request = environment[CONTEXT].worker_request
            assert environment["server.RemoteIpAddress"] == worker_request.client[0]
            assert environment["server.RemotePort"] == str(worker_request.client[1])
            assert environment["server.LocalIpAddress"] == worker_request.server[0]
            assert environment["server.LocalPort"] == str(worker_request.server[1])

        look(check)

    def test_websockets_co61_the_context_itself(self) -> None:
        def check(environment: Environment) -> None:
            assert isinstance(environment[CONTEXT], Context)

        look(check)

    def test_websockets_ow1_the_server_can_carry_websockets(self) -> None:
        def check(environment: Environment) -> None:
            assert environment["server.Capabilities"] == {"sendfile.Version": "1.0", "websocket.Version": "1.0"}
            assert environment["server.Capabilities"] is environment["server.Capabilities"]

        look(check)

    def test_websockets_t27_co52_co58_defaults_for_missing_required_entries(self) -> None:
        def check(environment: Environment) -> None:
            assert isinstance(environment["owin.CallCancelled"], CancellationToken)
            assert environment["owin.CallCancelled"] is environment["owin.CallCancelled"]
            assert not environment["owin.CallCancelled"]
            assert environment["owin.Version"] == "1.0"
            assert environment["owin.RequestQueryString"] == ""

        look(check)

    @pytest.mark.parametrize("key", ["server.User", "owin.RequestUser", "ssl.ClientCertificate", "unheard.of"])
    def test_websockets_t27_co53_does_not_contain_entries_for_missing_features(self, key: str) -> None:
        def check(environment: Environment) -> None:
            assert environment.get(key) is None
            assert key not in environment
            assert key not in list(environment)
            with pytest.raises(KeyError, match=key):
                environment[key]

        look(check)

    def test_websockets_t27_a_plain_request_offers_no_accept(self) -> None:
        """UseOwin; OW-2, CO-60."""

        def check(environment: Environment) -> None:
            assert [key for key, value in environment.items() if value is environment[CONTEXT]] == [CONTEXT]
            assert "websocket.Accept" not in environment
            assert "websocket.AcceptAlt" not in environment

        look(check)

    def test_websockets_ow2_ka2_a_handshake_does(self) -> None:
        def check(environment: Environment) -> None:
            assert callable(environment["websocket.Accept"])
            assert callable(environment["websocket.AcceptAlt"])

        look(check, headers=HANDSHAKE)

    @pytest.mark.parametrize("wrong", [{"sec-websocket-version": "8"}, {"sec-websocket-key": "short"}])
    def test_websockets_ka20_a_broken_handshake_does_not(self, wrong: dict[str, str]) -> None:
        def check(environment: Environment) -> None:
            assert "websocket.Accept" not in environment

        look(check, headers={**HANDSHAKE, **wrong})

    def test_websockets_t27_co62_enumerators_and_copies(self) -> None:
        def check(environment: Environment) -> None:
            pairs = list(environment.items())
            assert len(environment) == len(pairs) == len(set(environment))
            assert sorted(key for key, _ in pairs) == sorted(environment)
            assert dict(environment)["owin.RequestMethod"] == "GET"
            assert repr(environment) == "<OwinEnvironment of GET /a>"
            keys = []
            for key in environment:
                keys.append(key)
                assert environment["owin.RequestBody"] is environment["owin.RequestBody"]
            assert sorted(keys) == sorted(environment)

        look(check, target="/a")


class TestWriting:
    def test_websockets_t27_environment_can_be_modified(self) -> None:
        def check(environment: Environment) -> None:
            environment["owin.RequestMethod"] = "PUT"
            environment["owin.RequestPathBase"] = "/base"
            environment["owin.RequestPath"] = "/other"
            environment["owin.RequestQueryString"] = "a=b"
            environment["owin.RequestHeaders"]["X-Asked"] = ["1"]
            environment["owin.ResponseHeaders"]["X-Answered"] = ["2", "3"]
            environment["owin.ResponseStatusCode"] = 202
            environment["owin.ResponseReasonPhrase"] = "As You Like"
            for key in ("server.User", "owin.RequestUser"):
                environment[key] = Principal(key)
                assert environment[CONTEXT].principal.name == key
            assert environment["owin.RequestMethod"] == "PUT"
            assert environment["owin.RequestPathBase"] + environment["owin.RequestPath"] == "/base/other"
            assert environment["owin.RequestQueryString"] == "a=b"
            assert environment["owin.RequestHeaders"]["x-asked"] == ["1"]
            assert environment[CONTEXT].request.method == "GET"  # the request is what was asked

        response = look(check)
        assert (response.status, response.headers.get_all("x-answered")) == (202, ["2", "3"])

    def test_response_headers_can_be_replaced_whole(self) -> None:
        def check(environment: Environment) -> None:
            headers = environment["owin.ResponseHeaders"]
            headers["X-Old"] = ["1"]
            environment["owin.ResponseHeaders"] = {"X-New": ["2"]}
            assert dict(headers) == {"x-new": ["2"]}

        assert look(check).headers["x-new"] == "2"

    @pytest.mark.parametrize(
        ("key", "value", "error", "message"),
        [
            ("owin.ResponseStatusCode", 700, ValueError, "200 to 599"),
            ("owin.ResponseReasonPhrase", "a\nb", ValueError, "no control character"),
            ("owin.ResponseHeaders", {"x": ["a\nb"]}, ValueError, "control character"),
            ("server.User", "Foo", TypeError, "a user is a penstock.Principal, not 'str'"),
        ],
    )
    def test_what_the_context_refuses(self, key: str, value: object, error: type[Exception], message: str) -> None:
        def check(environment: Environment) -> None:
            with pytest.raises(error, match=message):
                environment[key] = value

        assert look(check).status == 200

    def test_websockets_co35_status_101_is_not_set_by_hand(self) -> None:
        def check(environment: Environment) -> None:
            with pytest.raises(ContractError, match=r"set by websocket\.Accept"):
                environment["owin.ResponseStatusCode"] = 101

        look(check)

    def test_websockets_co55_other_keys_are_kept_and_none_removes(self) -> None:
        def check(environment: Environment) -> None:
            environment["mine"] = 1
            assert environment["mine"] == 1
            assert "mine" in list(environment)
            environment["mine"] = None
            assert "mine" not in environment
            environment["mine"] = None

        look(check)

    def test_websockets_co54_a_key_that_is_only_read_takes_what_middleware_puts_there(self) -> None:
        def check(environment: Environment) -> None:
            environment["server.OnSendingHeaders"] = "mine"
            assert environment["server.OnSendingHeaders"] == "mine"
            environment["server.OnSendingHeaders"] = None
            assert "server.OnSendingHeaders" not in environment

        look(check)

    def test_websockets_co56_a_key_that_is_removed_is_gone(self) -> None:
        def check(environment: Environment) -> None:
            del environment["owin.ResponseStatusCode"]
            assert "owin.ResponseStatusCode" not in environment
            with pytest.raises(KeyError):
                del environment["owin.ResponseStatusCode"]
            environment["owin.ResponseStatusCode"] = 404
            assert environment["owin.ResponseStatusCode"] == 404
            with pytest.raises(KeyError):
                del environment["unheard.of"]

        assert look(check).status == 200

    def test_headers_are_told_of_before_they_leave(self) -> None:
        called: list[object] = []

        def check(environment: Environment) -> None:
            def stamp(state: Any) -> None:
                called.append(state)
                environment["owin.ResponseHeaders"]["X-Stamp"] = [str(len(called))]

            environment["server.OnSendingHeaders"](stamp, "first")
            environment["server.OnSendingHeaders"](stamp, "last")

        assert look(check).headers["x-stamp"] == "2"
        assert called == ["last", "first"]  # websockets KA-21: last registered, first called


class TestConstruction:
    def test_websockets_co50_an_environment_may_be_made_of_any_context(self) -> None:
        seen: list[Any] = []

        def answer(context: Context) -> Response:
            environment = OwinEnvironment(context, "/base", at="/elsewhere")
            seen.append((environment["owin.RequestPathBase"], environment["owin.RequestPath"]))
            return Response(b"")

        from tests.pipeline.subject import ask, open_site

        assert ask(open_site(function=answer)).status == 200
        assert seen == [("/base", "/")]


@pytest.mark.parametrize(("part", "sent"), [((), b"0123456789"), ((2, 3), b"234"), ((4, None), b"456789")])
def test_middleware_15_10_a_file_is_sent(tmp_path: Path, part: tuple[Any, ...], sent: bytes) -> None:
    (tmp_path / "digits").write_bytes(b"0123456789")

    async def application(environment: Any) -> None:
        await environment["sendfile.SendAsync"](str(tmp_path / "digits"), *part)

    answer = answer_of(application)
    assert (answer.body, answer.headers["content-length"]) == (sent, str(len(sent)))


def test_middleware_15_10_the_stop_of_the_server_is_told() -> None:
    told: list[bool] = []

    async def application(environment: Any) -> None:
        disposing = environment["host.OnAppDisposing"]
        told.append(bool(disposing))
        environment["penstock.pipeline.context.Context"].plan.site.stopping.set()
        await disposing
        told.append(bool(disposing))

    answer_of(application)
    assert told == [False, True]
