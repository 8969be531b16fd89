"""Whole journeys of error pages: a file, a function or a path of the site answers for an error (pipeline X-07)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from penstock import Context, Hooks, HTTPError, Request, Response, ResponseComplete, Stage
from penstock.pipeline.error_pages import ErrorPages, file_page, path_page
from penstock.pipeline.handler import execute_step
from penstock.pipeline.location import Location
from penstock.pipeline.routes import Template
from penstock.pipeline.target import Target
from penstock.request_handlers.handlers import FromFactory, Maker, handle_mapped
from penstock.request_handlers.static_files import StaticFiles
from tests.pipeline.error_subject import HTML, JSON, boom, failures, logged_id, open_pages, page_of, rule
from tests.pipeline.subject import Attached, ask, on, raising


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

    @pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit()])
    def test_pipeline_x07_a_plain_page_that_ends_oddly_leaves_no_empty_answer(self, error: BaseException) -> None:
        def odd() -> None:
            raise error

        answer = ask(open_pages(rule(page_of(odd), [500]), functions={"/": boom}))
        assert (answer.status, answer.text[:4]) == (500, "500 ")

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


def raising_with(name: str) -> Any:
    def fail(name: str) -> object:
        raise HTTPError(404)

    return fail
