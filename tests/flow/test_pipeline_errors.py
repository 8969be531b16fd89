"""Whole journeys of error answers: their form, and whose page they are (pipeline X-01 to X-11, T-01)."""

import asyncio
import json
import logging
import re
from collections.abc import Callable

import pytest

from penstock import (
    Context,
    HTTPError,
    PenstockError,
    Request,
    RequestRejected,
    ResponseComplete,
    Stage,
)
from penstock.pipeline.location import Location
from tests.pipeline.error_subject import HTML, JSON, PROBLEM, boom, logged_id, open_pages, page_of, rule
from tests.pipeline.subject import FINAL, WHOLE, Attached, Recorder, ask, on, open_site, raising

SECRETS = ("swordfish", "ValueError", "Traceback", "error_subject", ".py")
ACCEPTS: dict[str, dict[str, str]] = {"html": HTML, "json": JSON, "problem": PROBLEM, "text": {}}
TYPES = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "problem": "application/problem+json",
    "text": "text/plain; charset=utf-8",
}


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


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_pipeline_x08_the_remote_client_of_a_site_file_gets_no_details() -> None:
    answer = ask(open_site(function=boom))
    assert not any(word in answer.text for word in SECRETS)
