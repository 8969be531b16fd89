"""Whole journeys of error answers: their form, and whose page they are (pipeline X-01 to X-11, T-01)."""

import asyncio
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock import (
    Context,
    Hooks,
    HTTPError,
    PenstockError,
    Request,
    RequestRejected,
    Response,
    ResponseComplete,
    Stage,
)
from penstock.pipeline.error_pages import ErrorPages, file_page, path_page
from penstock.pipeline.handler import execute_step
from penstock.pipeline.location import Location
from penstock.pipeline.routes import Template
from penstock.pipeline.target import Target
from penstock.request_handlers.handlers import FromFactory, Maker, handle_mapped
from penstock.request_handlers.static_files import StaticFiles
from tests.pipeline.error_subject import HTML, JSON, PROBLEM, boom, open_pages, page_of, rule
from tests.pipeline.subject import FINAL, WHOLE, Attached, Recorder, ask, on, open_site, raising

SECRETS = ("swordfish", "ValueError", "Traceback", "error_subject", ".py")
ACCEPTS: dict[str, dict[str, str]] = {"html": HTML, "json": JSON, "problem": PROBLEM, "text": {}}
TYPES = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "problem": "application/problem+json",
    "text": "text/plain; charset=utf-8",
}


def logged_id(caplog: pytest.LogCaptureFixture) -> str:
    (record, *_) = [each for each in caplog.records if each.exc_info]
    return record.getMessage().split("error id ")[1]


def failures(caplog: pytest.LogCaptureFixture) -> list[object]:
    return [each.exc_info[1] for each in caplog.records if each.exc_info]


class TestForms:
    @pytest.mark.parametrize("form", ACCEPTS)
    def test_the_client_chooses_and_caches_are_told(self, form: str) -> None:
        answer = ask(open_pages(functions={"/": raising(HTTPError(404, "no mill"))}), headers=ACCEPTS[form])
        assert (answer.status, answer.headers["content-type"]) == (404, TYPES[form])
        assert answer.headers.get_all("vary") == ["accept"]
        assert answer.headers.get_all("cache-control") == ["no-store"]
        assert "no mill" in answer.text

    @pytest.mark.parametrize("form", ACCEPTS)
    def test_the_location_chooses_for_all(self, form: str) -> None:
        client = open_pages(functions={"/": raising(HTTPError(404))}, error_format=form)
        answer = ask(client, headers={"accept": "text/css"})
        assert answer.headers["content-type"] == TYPES[form]
        assert answer.headers.get("vary") is None

    def test_a_child_has_a_form_of_its_own(self) -> None:
        functions = {"/": raising(HTTPError(404)), "/api/x": raising(HTTPError(404))}
        locations = [Location("/api", error_format="problem")]
        assert ask(open_pages(functions=functions, locations=locations)).headers["content-type"] == TYPES["text"]
        found = ask(open_pages(functions=functions, locations=locations), "/api/x")
        assert found.headers["content-type"] == TYPES["problem"]

    def test_several_lines_of_accept_are_one(self) -> None:
        # The client of the tests sends one line per name; the wire may bring several.
        answer = ask(open_pages(functions={"/": raising(HTTPError(404))}), headers={"accept": "image/png, text/html"})
        assert answer.headers["content-type"] == TYPES["html"]

    @pytest.mark.parametrize(
        ("before", "after"), [("origin", ["origin", "accept"]), ("Origin, Accept", ["Origin, Accept"]), ("*", ["*"])]
    )
    def test_what_a_module_said_varies_is_kept(self, before: str, after: list[str]) -> None:
        module = on(Stage.BEGIN, lambda context: context.response.headers.add("vary", before))
        answer = ask(open_pages(functions={"/": boom}, modules=[module]))
        assert answer.headers.get_all("vary") == after

    @pytest.mark.parametrize("form", ACCEPTS)
    def test_head_is_answered_like_get_without_the_body(self, form: str) -> None:
        functions = {"/": raising(HTTPError(404, "no mill"))}
        got = ask(open_pages(functions=functions), headers=ACCEPTS[form])
        head = ask(open_pages(functions=functions), headers=ACCEPTS[form], method="HEAD")
        assert (head.status, head.body) == (404, b"")
        assert head.headers["content-type"] == got.headers["content-type"]

    @pytest.mark.parametrize("form", ACCEPTS)
    def test_headers_of_the_error_are_sent_in_every_form(self, form: str) -> None:
        for error in (
            HTTPError(401, headers=[(b"www-authenticate", b'Basic realm="mills"')]),
            HTTPError(405, headers=[(b"allow", b"GET")]),
            HTTPError(429, headers=[(b"retry-after", b"5")]),
        ):
            name, value = error.headers[0]
            answer = ask(open_pages(functions={"/": raising(error)}), headers=ACCEPTS[form])
            assert answer.headers.get_all(name.decode()) == [value.decode()]

    def test_problem_json_is_that_of_rfc_9457(self, caplog: pytest.LogCaptureFixture) -> None:
        answer = ask(open_pages(functions={"/": boom}), headers=PROBLEM)
        told = json.loads(answer.text)
        trace_id = told.pop("trace_id")
        shown = logged_id(caplog)
        assert told == {
            "type": "about:blank",
            "title": "Internal Server Error",
            "status": 500,
            "instance": f"urn:penstock:error:{shown}",
            "error_id": shown,
        }
        assert f"trace id {trace_id}, " in caplog.text


class TestStatus:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (HTTPError(418), 418),
            (RequestRejected(413, "too large"), 413),
            (PermissionError("/etc/shadow"), 403),
            (TimeoutError(), 504),
            (FileNotFoundError("/srv/secret"), 500),
            (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), 500),
        ],
    )
    def test_pipeline_x06_of_what_a_handler_raises(self, error: Exception, status: int) -> None:
        answer = ask(open_pages(functions={"/": raising(error)}))
        assert answer.status == status
        assert not any(word in answer.text for word in ("/etc/shadow", "/srv/secret"))

    def test_pipeline_x06_a_body_that_is_no_text_is_400(self) -> None:
        async def read(request: Request) -> str:
            return await request.text()

        assert ask(open_pages(functions={"/": read}), method="POST", body=b"\xff").status == 400

    def test_pipeline_x06_only_an_explicit_wrapper_is_looked_into(self) -> None:
        def wrapped(kind: Callable[[], Exception], cause: Exception) -> Callable[[Context], object]:
            error = kind()
            error.__cause__ = cause
            return raising(error)

        functions = {
            "/wrapper": wrapped(lambda: PenstockError("wrapped"), PermissionError()),
            "/twice": wrapped(lambda: PenstockError("wrapped"), _caused(PenstockError("again"), TimeoutError())),
            "/other": wrapped(lambda: RuntimeError("no wrapper of ours"), PermissionError()),
        }
        found = {at: ask(open_pages(functions=functions), at).status for at in functions}
        assert found == {"/wrapper": 403, "/twice": 504, "/other": 500}

    def test_pipeline_x06_401_stays_401_and_has_a_challenge(self) -> None:
        said = HTTPError(401, headers=[(b"www-authenticate", b"Bearer")])
        assert ask(open_pages(functions={"/": raising(said)})).headers.get_all("www-authenticate") == ["Bearer"]
        bare = ask(open_pages(functions={"/": raising(HTTPError(401))}))
        assert (bare.status, bare.headers.get_all("www-authenticate")) == (401, ["Unspecified"])
        module = on(
            Stage.AUTHENTICATE, lambda context: context.response.headers.add("www-authenticate", 'Basic realm="x"')
        )
        kept = ask(open_pages(functions={"/": raising(HTTPError(401))}, modules=[module]))
        assert kept.headers.get_all("www-authenticate") == ['Basic realm="x"']


class TestWhatStays:
    """The body is dropped, and what speaks of it; other headers stay."""

    @pytest.mark.parametrize("kind", ["built in", "page"])
    def test_pipeline_x07_headers_set_by_modules_are_kept_and_the_banner_is_dropped(self, kind: str) -> None:
        def banner(context: Context) -> None:
            response = context.response
            response.headers["access-control-allow-origin"] = "https://mills.example"
            response.headers["content-security-policy"] = "default-src 'self'"
            response.set_cookie("seen", "1")
            response.headers["content-type"] = "text/x-banner"
            response.headers["etag"] = '"1"'
            response.headers["content-encoding"] = "br"
            response.headers["cache-control"] = "max-age=60"
            response.write("BANNER")

        rules = [rule(page_of(lambda: "no such page"), [404])] if kind == "page" else []
        answer = ask(open_pages(*rules, functions={}, modules=[on(Stage.BEGIN, banner)]), "/missing")
        assert answer.status == 404
        assert "BANNER" not in answer.text
        assert answer.headers["access-control-allow-origin"] == "https://mills.example"
        assert answer.headers["content-security-policy"] == "default-src 'self'"
        assert len(answer.headers.get_all("set-cookie")) == 1
        assert answer.headers.get_all("content-type") == ["text/plain; charset=utf-8"]
        assert answer.headers.get_all("cache-control") == ["no-store"]
        assert answer.headers.get("etag") is None
        assert answer.headers.get("content-encoding") is None

    def test_pipeline_x07_headers_of_a_handler_that_failed_are_dropped(self) -> None:
        def handler(context: Context) -> object:
            context.response.headers["x-handler"] = "yes"
            context.response.set_cookie("signed-in", "1")
            raise ValueError("boom")

        module = on(Stage.BEGIN, lambda context: context.response.headers.add("x-module", "yes"))
        answer = ask(open_pages(functions={"/": handler}, modules=[module]))
        assert answer.headers.get("x-module") == "yes"
        assert answer.headers.get("x-handler") is None
        assert answer.headers.get("set-cookie") is None

    def test_pipeline_x07_headers_of_modules_are_kept_behind_a_re_dispatch(self) -> None:
        def authorize(context: Context) -> None:
            if context.request.path == "/login":
                context.response.headers["x-second"] = "yes"
                raise PermissionError

        def handler(context: Context) -> None:
            context.redispatch("/login")

        modules = [on(Stage.BEGIN, lambda context: context.response.headers.add("x-first", "yes"))]
        modules.append(on(Stage.AUTHORIZE, authorize))
        answer = ask(open_pages(functions={"/": handler, "/login": boom}, modules=modules))
        assert (answer.status, answer.headers["x-first"], answer.headers["x-second"]) == (403, "yes", "yes")

    def test_pipeline_x07_callbacks_see_the_error_answer(self) -> None:
        def register(context: Context) -> None:
            context.response.on_sending_headers(lambda response: seen.append(response.status))

        seen: list[int] = []
        ask(open_pages(functions={"/": boom}, modules=[on(Stage.BEGIN, register)]))
        assert seen == [500]

    def test_pipeline_x07_a_flushed_answer_is_cut_off_and_no_page_is_made(self) -> None:
        async def handler(context: Context) -> None:
            context.response.write("half")
            await context.response.flush()
            raise ValueError("boom")

        made: list[str] = []
        page = page_of(lambda: made.append("page"))
        answer = ask(open_pages(rule(page, [500]), functions={"/": handler}))
        assert (answer.status, answer.text, answer.is_aborted, made) == (200, "half", True, [])


class TestFilePages:
    def test_pipeline_x07_a_file_has_the_status_of_the_error(self, tmp_path: Path) -> None:
        (tmp_path / "404.html").write_text("<h1>Nothing here</h1>")
        client = open_pages(rule(file_page(str(tmp_path / "404.html")), [404]), functions={})
        answer = ask(client, "/missing", headers=JSON)
        assert (answer.status, answer.text) == (404, "<h1>Nothing here</h1>")
        assert sorted(answer.headers.items()) == [
            ("cache-control", "no-store"),
            ("content-type", "text/html; charset=utf-8"),
        ]

    def test_one_of_several_files_is_chosen_by_accept(self, tmp_path: Path) -> None:
        (tmp_path / "404.html").write_text("<h1>Nothing here</h1>")
        (tmp_path / "404.json").write_text("{}")
        rules = [rule(file_page(str(tmp_path / name)), [404]) for name in ("404.html", "404.json")]
        for headers, content_type in ((HTML, "text/html; charset=utf-8"), (JSON, "application/json")):
            answer = ask(open_pages(*rules, functions={}), "/missing", headers=headers)
            assert answer.headers["content-type"] == content_type
            assert answer.headers["vary"] == "accept"

    def test_other_statuses_have_the_built_in_answer(self, tmp_path: Path) -> None:
        (tmp_path / "404.txt").write_text("nothing here")
        rules = [rule(file_page(str(tmp_path / "404.txt")), [404])]
        assert ask(open_pages(*rules, functions={"/": raising(HTTPError(403))})).text == "403 Forbidden\n"

    def test_a_page_is_for_errors_and_not_for_what_an_application_wrote(self, tmp_path: Path) -> None:
        (tmp_path / "404.txt").write_text("nothing here")
        rules = [rule(file_page(str(tmp_path / "404.txt")), [404])]
        answer = ask(open_pages(*rules, functions={"/": lambda: Response("my own 404", status=404)}))
        assert (answer.status, answer.text) == (404, "my own 404")

    def test_an_error_that_is_recorded_has_its_page_too(self, tmp_path: Path) -> None:
        (tmp_path / "4xx.txt").write_text("not now")
        module = on(Stage.AUTHORIZE, lambda context: context.fail(PermissionError()))
        rules = [rule(file_page(str(tmp_path / "4xx.txt")), range(400, 500))]
        answer = ask(open_pages(*rules, functions={"/": boom}, modules=[module]))
        assert (answer.status, answer.text) == (403, "not now")


class TestFunctionPages:
    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_x07_a_function_is_given_what_it_asks_for(self, is_async: bool) -> None:
        def oops(context: Context, request: Request, response: Response) -> str:
            response.headers["x-page"] = "yes"
            return f"{request.method} {request.path}: {context.error}"

        async def oops_later(context: Context, request: Request, response: Response) -> str:
            await asyncio.sleep(0)
            return oops(context, request, response)

        page = page_of(oops_later if is_async else oops)
        answer = ask(open_pages(rule(page, range(500, 600)), functions={"/": boom}))
        assert (answer.status, answer.text) == (500, "GET /: the password is swordfish")
        assert answer.headers["x-page"] == "yes"
        assert answer.headers.get_all("cache-control") == ["no-store"]

    @pytest.mark.parametrize("status", [200, 404, 503])
    def test_pipeline_x07_the_status_stays_that_of_the_error(self, status: int) -> None:
        page = page_of(lambda: Response("sorry", status=status, headers={"cache-control": "max-age=60"}))
        answer = ask(open_pages(rule(page, [500]), functions={"/": boom}))
        assert (answer.status, answer.text) == (500, "sorry")
        assert answer.headers.get_all("cache-control") == ["no-store"]

    @pytest.mark.parametrize("kind", ["plain", "async", "late", "slow step", "exit"])
    def test_pipeline_x07_a_page_that_fails_has_no_page(self, kind: str, caplog: pytest.LogCaptureFixture) -> None:
        def fail(context: Context) -> object:
            calls.append(kind)
            context.response.write("half a page")
            raise (SystemExit("of the page") if kind == "exit" else KeyError("of the page"))

        async def fail_later(context: Context) -> object:
            await asyncio.sleep(0)
            return fail(context)

        async def fail_at_once(context: Context) -> object:
            return fail(context)

        functions: dict[str, Any] = {"async": fail_later, "late": fail_at_once}
        calls: list[str] = []
        page = page_of(functions.get(kind, fail))
        seen: list[list[str]] = []
        module = on(Stage.END, lambda context: seen.append([type(each).__name__ for each in context.errors]))
        answer = ask(open_pages(rule(page, range(400, 600)), functions={"/": boom}, modules=[module]))
        assert (answer.status, calls) == (500, [kind])
        assert answer.text == f"500 Internal Server Error\nerror id {logged_id(caplog)}\n"
        second = "ContractError" if kind == "exit" else "KeyError"
        assert [type(each).__name__ for each in failures(caplog)] == ["ValueError", second]
        assert seen == [["ValueError", second]]

    def test_pipeline_x07_a_page_that_fails_keeps_the_status(self) -> None:
        error = HTTPError(404, "no mill")
        answer = ask(open_pages(rule(page_of(boom), [404]), functions={"/": raising(error)}))
        assert (answer.status, answer.text) == (404, "404 Not Found\nno mill\n")

    def test_pipeline_x07_a_second_error_does_not_make_a_second_page(self) -> None:
        calls: list[object] = []

        def oops(context: Context) -> str:
            calls.append(context.error)
            return "sorry"

        modules = [on(Stage.LOG, raising(KeyError("second"))), on(Stage.END, raising(KeyError("third")))]
        answer = ask(open_pages(rule(page_of(oops), [500]), functions={"/": boom}, modules=modules))
        assert (answer.text, len(calls)) == ("sorry", 1)

    def test_a_page_that_takes_too_long_has_failed(self, caplog: pytest.LogCaptureFixture) -> None:
        async def stuck(context: Context) -> None:
            raise TimeoutError

        answer = ask(open_pages(rule(page_of(stuck), [500]), functions={"/": boom}))
        assert answer.status == 500
        assert [type(each) for each in failures(caplog)] == [ValueError, TimeoutError]

    def test_pipeline_t01_a_page_may_end_itself(self) -> None:
        def oops(context: Context) -> None:
            context.response.write("sorry")
            raise ResponseComplete

        answer = ask(open_pages(rule(page_of(oops), [500]), functions={"/": boom}))
        assert (answer.status, answer.text) == (500, "sorry")

    def test_a_page_that_streams_has_the_status_of_the_error(self) -> None:
        async def stream(context: Context) -> None:
            context.response.write("one")
            await context.response.flush()
            context.response.write("two")

        answer = ask(open_pages(rule(page_of(stream), [500]), functions={"/": boom}))
        assert (answer.status, answer.pieces, answer.is_aborted) == (500, [b"one", b"two"], False)

    def test_a_page_that_fails_while_it_streams_is_cut_off(self) -> None:
        async def stream(context: Context) -> None:
            context.response.write("one")
            await context.response.flush()
            raise ValueError("boom")

        answer = ask(open_pages(rule(page_of(stream), [500]), functions={"/": boom}))
        assert (answer.status, answer.text, answer.is_aborted) == (500, "one", True)

    def test_pipeline_x04_an_error_hook_comes_first(self) -> None:
        def attach(hooks: Hooks) -> None:
            hooks.on_error(lambda context: Response("of the hook", status=503))

        answer = ask(open_pages(rule(page_of(boom), [500]), functions={"/": boom}, modules=[Attached(attach)]))
        assert (answer.status, answer.text) == (503, "of the hook")

    def test_pipeline_x03_the_page_stands_at_the_end_of_the_failing_stage(self) -> None:
        seen: list[object] = []
        modules = [
            on(Stage.AUTHORIZE, raising(ValueError("boom"))),
            on(Stage.LOG, lambda context: seen.append((context.response.status, context.response.body))),
        ]
        ask(open_pages(rule(page_of(lambda: "sorry"), [500]), functions={"/": boom}, modules=modules))
        assert seen == [(500, b"sorry")]


class TestPathPages:
    def test_pipeline_x07_a_path_answers_in_place(self) -> None:
        def nothing(request: Request) -> str:
            return f"{request.method} {request.path} {request.query_string!r}: nothing here"

        def look(context: Context) -> None:
            request = context.request
            seen.append((request.method, request.path, context.worker_request.head.target))

        seen: list[object] = []
        modules = [on(Stage.BEGIN, look), on(Stage.END, look)]
        functions = {"/nf": nothing}
        client = open_pages(rule(path_page("/nf"), [404]), functions=functions, modules=modules)
        answer = ask(client, "/missing?secret=1", method="POST", body=b"x=1")
        assert (answer.status, answer.text) == (404, "GET /nf b'': nothing here")
        assert answer.headers.get("location") is None
        assert seen == [("POST", "/missing", b"/missing?secret=1")] * 2

    @pytest.mark.parametrize("is_async", [False, True])
    def test_a_template_has_its_values_and_the_request_gets_its_own_back(self, is_async: bool) -> None:
        async def later(number: int) -> str:
            await asyncio.sleep(0)
            return f"page {number}"

        seen: list[object] = []
        functions: dict[str, Any] = {
            "/pages/{number:int}": later if is_async else lambda number: f"page {number}",
            "/mills/{name}": raising_with("name"),
        }
        module = on(Stage.END, lambda context: seen.append(context.route_values))
        answer = ask(open_pages(rule(path_page("/pages/7"), [404]), functions=functions, modules=[module]), "/mills/x")
        assert (answer.status, answer.text, seen) == (404, "page 7", [{"name": "x"}])

    def test_a_file_is_shown_whole_with_the_status_of_the_error(self, tmp_path: Path) -> None:
        (tmp_path / "nf.html").write_text("<h1>Nothing here</h1>")
        files = Target("files", "/", StaticFiles(str(tmp_path)), needs="read")
        for headers in ({}, {"range": "bytes=0-3"}, {"if-none-match": "*"}, {"if-modified-since": "x"}):
            client = open_pages(rule(path_page("/nf.html"), [404]), functions={}, files=files)
            answer = ask(client, "/missing.html", headers=headers)
            assert (answer.status, answer.text) == (404, "<h1>Nothing here</h1>")
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers.get("etag") is None

    def test_head_has_no_body(self) -> None:
        client = open_pages(rule(path_page("/nf"), [404]), functions={"/nf": lambda: "nothing here"})
        answer = ask(client, "/missing", method="HEAD")
        assert (answer.status, answer.body) == (404, b"")

    def test_pipeline_x07_a_path_that_fails_has_no_page(self, caplog: pytest.LogCaptureFixture) -> None:
        answer = ask(open_pages(rule(path_page("/nf"), range(400, 600)), functions={"/nf": boom}), "/missing")
        assert (answer.status, answer.text) == (404, "404 Not Found\n")
        assert "GET /missing: error page /nf failed" in caplog.text

    def test_pipeline_x07_the_error_page_itself_may_be_asked_for(self) -> None:
        answer = ask(open_pages(rule(path_page("/nf"), [500]), functions={"/nf": boom}), "/nf")
        assert answer.status == 500
        assert answer.text.startswith("500 Internal Server Error\nerror id ")

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_h07_a_handler_of_a_factory_may_be_the_page(self, is_async: bool) -> None:
        class Factory:
            def get(self, context: Context) -> object:
                async def later() -> object:
                    await asyncio.sleep(0)
                    return handle

                def handle(context: Context) -> str:
                    return f"made for {context.request.path}"

                return later() if is_async else handle

            def release(self, handler: object) -> None:
                released.append(handler)

        released: list[object] = []
        seen: list[object] = []
        factory = FromFactory(Maker(Factory(), {}, "tested:factory"))
        target = Target(
            "factory",
            "/nf",
            execute_step(handle_mapped),
            template=Template("/nf"),
            map_handler=factory.map,
            on_start=factory.start,
            on_stop=factory.stop,
        )
        module = on(Stage.END, lambda context: seen.append(context.handler))
        client = open_pages(
            rule(path_page("/nf"), [404]),
            functions={"/mills/{name}": raising_with("name")},
            more_routes=[target],
            modules=[module],
        )
        answer = ask(client, "/mills/x")
        assert (answer.status, answer.text) == (404, "made for /nf")
        assert len(released) == 1
        assert seen[0] not in released

    def test_a_path_that_redirects_is_no_page(self, caplog: pytest.LogCaptureFixture) -> None:
        def away(response: Response) -> None:
            response.redirect("/elsewhere")

        answer = ask(open_pages(rule(path_page("/nf"), [404]), functions={"/nf": away}), "/missing")
        assert (answer.status, answer.text) == (404, "404 Not Found\n")
        assert answer.headers.get("location") is None
        assert "error page /nf redirects to '/elsewhere'" in caplog.text

    def test_pipeline_x07_the_nearest_location_wins(self) -> None:
        parent, child = rule(page_of(lambda: "parent"), [404]), rule(page_of(lambda: "child"), range(400, 500))
        locations = [Location("/shop", error_pages=ErrorPages([[parent], [child]]))]
        client = open_pages(parent, functions={}, locations=locations)
        assert ask(client, "/x").text == "parent"
        client = open_pages(parent, functions={}, locations=locations)
        assert ask(client, "/shop/x").text == "child"


class TestDisclosure:
    @pytest.mark.parametrize("form", ACCEPTS)
    def test_pipeline_x08_a_client_gets_an_id_and_no_secret(self, form: str, caplog: pytest.LogCaptureFixture) -> None:
        answer = ask(open_pages(functions={"/": boom}), headers=ACCEPTS[form])
        shown = logged_id(caplog)
        assert len(shown) == 12
        assert shown in answer.text
        assert not any(word in answer.text for word in SECRETS)
        assert "swordfish" in caplog.text

    @pytest.mark.parametrize("form", ACCEPTS)
    def test_pipeline_x08_development_shows_the_traceback_in_every_form(self, form: str) -> None:
        answer = ask(open_pages(functions={"/": boom}, is_development=True), headers=ACCEPTS[form])
        assert "Traceback (most recent call last)" in answer.text
        assert "swordfish" in answer.text

    @pytest.mark.parametrize("form", ACCEPTS)
    def test_pipeline_x08_a_refusal_names_no_path_of_the_machine(self, form: str) -> None:
        error = FileNotFoundError(2, "No such file", "/srv/mills/secret.txt")
        for is_development in (False, True):
            client = open_pages(functions={"/": raising(PermissionError(error))}, is_development=is_development)
            answer = ask(client, headers=ACCEPTS[form])
            assert answer.status == 403
            assert "/srv" not in answer.text

    def test_pipeline_x08_two_errors_of_one_request_have_one_id(self, caplog: pytest.LogCaptureFixture) -> None:
        modules = [on(Stage.END, raising(KeyError("second")))]
        ask(open_pages(functions={"/": boom}, modules=modules))
        ids = {each.getMessage().split("error id ")[1] for each in caplog.records if each.exc_info}
        assert len(ids) == 1


class TestResponseComplete:
    """pipeline T-01"""

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_t01_no_except_exception_holds_it_up(self, is_async: bool) -> None:
        def end(context: Context) -> None:
            try:
                context.response.status = 202
                context.response.write("so far")
                raise ResponseComplete
            except Exception:
                context.response.write(" and on")

        async def end_later(context: Context) -> None:
            await asyncio.sleep(0)
            end(context)

        log: list[str] = []
        module = on(Stage.END, lambda context: context.response.headers.add("x-end", "yes"))
        client = open_pages(
            functions={"/": end_later if is_async else end}, modules=[Attached(Recorder(log).attach), module]
        )
        answer = ask(client)
        assert (answer.status, answer.text, answer.headers["x-end"]) == (202, "so far", "yes")
        assert log == [*WHOLE[: WHOLE.index("EXECUTE") + 1], "RELEASE_STATE", "RELEASE_STATE+", *FINAL]

    @pytest.mark.parametrize("stage", [Stage.BEGIN, Stage.AUTHORIZE, Stage.MAP_HANDLER])
    def test_pipeline_t01_a_module_may_end_the_request(self, stage: Stage) -> None:
        def end(context: Context) -> None:
            context.response.write("no more")
            raise ResponseComplete

        called: list[str] = []
        answer = ask(open_pages(functions={"/": lambda: called.append("handler")}, modules=[on(stage, end)]))
        assert (answer.status, answer.text, called) == (200, "no more", [])

    @pytest.mark.parametrize("stage", [Stage.LOG, Stage.END])
    def test_pipeline_p09_in_the_final_stages_it_ends_the_hook_only(self, stage: Stage) -> None:
        seen: list[Stage] = []
        modules = [on(stage, raise_complete), on(stage, lambda context: seen.append(context.stage))]
        answer = ask(open_pages(functions={"/": lambda: "hello"}, modules=modules))
        assert (answer.status, answer.text, seen) == (200, "hello", [stage])


class TestLog:
    def test_the_line_names_stage_module_and_time(self, caplog: pytest.LogCaptureFixture) -> None:
        def begin(context: Context) -> None:
            context.worker_request.started = context.runtime.loop.time() - 0.25

        modules = [on(Stage.BEGIN, begin), on(Stage.AUTHORIZE, raising(ValueError("boom")))]
        ask(open_pages(functions={}, modules=modules))
        (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
        found = re.fullmatch(
            r"GET / failed at AUTHORIZE in Module1 after (\d+\.\d) ms, trace id [0-9a-f]{32}, error id [0-9a-f]{12}",
            record.getMessage(),
        )
        assert found is not None
        assert float(found[1]) >= 250


def raise_complete(context: Context) -> None:
    raise ResponseComplete


def raising_with(name: str) -> Callable[..., object]:
    def fail(name: str) -> object:
        raise HTTPError(404)

    return fail


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_pipeline_x08_the_remote_client_of_a_site_file_gets_no_details() -> None:
    answer = ask(open_site(function=boom))
    assert not any(word in answer.text for word in SECRETS)
