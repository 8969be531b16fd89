"""How an error becomes an answer, and what stays of the one that failed (pipeline X-03, X-07 to X-10)."""

import gzip
from collections.abc import AsyncIterator, Callable
from html import unescape

import pytest

from penstock import ClientGone, Context, ContractError, Hooks, HTTPError, Response, Stage
from penstock.http.messages import ResponseHead
from penstock.pipeline.error_pages import ErrorPage
from tests.pipeline.error_subject import boom, open_pages, page_of, rule
from tests.pipeline.subject import Attached, ask, on, open_site, raising

HTML = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


class TestPage:
    def test_it_is_text_unless_html_is_accepted(self) -> None:
        text = ask(open_site(function=raising(HTTPError(404, "no <such> thing"))))
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
        assert text.text == "404 Not Found\nno <such> thing\n"
        page = ask(open_site(function=raising(HTTPError(404, "no <such> thing"))), headers=HTML)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "<h1>404 Not Found</h1>" in page.text
        assert "<p>no &lt;such&gt; thing</p>" in page.text

    def test_the_names_of_its_headers_may_be_written_in_any_case(self) -> None:
        answer = ask(open_site(function=raising(HTTPError(401, headers=[(b"WWW-Authenticate", b"Basic")]))))
        assert answer.headers.get_all("www-authenticate") == ["Basic"]

    def test_it_is_not_kept_by_caches(self) -> None:
        assert ask(open_site(function=raising(HTTPError(404)))).headers.get_all("cache-control") == ["no-store"]

    def test_headers_of_the_error_are_sent(self) -> None:
        error = HTTPError(429, headers=[(b"retry-after", b"5")])
        assert ask(open_site(function=raising(error))).headers["retry-after"] == "5"

    def test_a_status_without_a_name_is_an_error(self) -> None:
        assert ask(open_site(function=raising(HTTPError(499)))).text == "499 Error\n"

    @pytest.mark.parametrize("headers", [{}, HTML])
    def test_text_that_utf_8_cannot_hold_is_shown_all_the_same(self, headers: dict[str, str]) -> None:
        found = ask(open_site(function=raising(HTTPError(400, "half a pair: \ud800"))), headers=headers)
        assert found.status == 400
        assert r"\ud800" in found.text

    @pytest.mark.parametrize("headers", [{}, HTML])
    @pytest.mark.parametrize("error", [ValueError("<script>secret"), HTTPError(500), ContractError("secret")])
    def test_pipeline_x08_in_production_a_bug_shows_its_id_and_nothing_else(
        self, error: Exception, headers: dict[str, str], caplog: pytest.LogCaptureFixture
    ) -> None:
        found = ask(open_site(function=raising(error)), headers=headers)
        assert found.status == 500
        assert not any(word in found.text for word in ("secret", "script", "Traceback", "Error:", "test_error"))
        record = caplog.records[0]
        shown = record.getMessage().split("error id ")[1]
        assert shown in found.text
        assert record.exc_info is not None
        assert record.exc_info[1] is error

    @pytest.mark.parametrize("headers", [{}, HTML])
    def test_pipeline_x08_in_development_a_bug_shows_its_traceback(self, headers: dict[str, str]) -> None:
        found = ask(open_site(function=raising(ValueError("<b>")), mode="development"), headers=headers)
        assert "Traceback (most recent call last)" in found.text
        assert "ValueError: <b>" in unescape(found.text)
        if headers:
            assert "<b>" not in found.text

    def test_in_development_a_refusal_shows_none(self) -> None:
        found = ask(open_site(function=raising(HTTPError(404)), mode="development"))
        assert found.text == "404 Not Found\n"

    def test_two_bugs_have_two_ids(self) -> None:
        texts = {ask(open_site(function=raising(ValueError()))).text for _ in range(2)}
        assert len(texts) == 2


class TestClientGone:
    def test_nobody_is_answered_and_the_connection_is_cut(self) -> None:
        async def never() -> AsyncIterator[bytes]:
            yield b""

        found = ask(open_site(function=raising(ClientGone("the client left"))), method="POST", body=never())
        assert (found.status, found.is_aborted) == (0, True)


class Gzip:
    """A filter with a header of its own."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def begin(self, head: ResponseHead) -> bool:
        head.raw_headers.append((b"content-encoding", b"gzip"))
        return True

    def feed(self, piece: bytes) -> bytes:
        self.pieces.append(piece)
        return b""

    def finish(self) -> bytes:
        return gzip.compress(b"".join(self.pieces))


def compress(context: Context) -> None:
    context.response.add_filter(Gzip())


class TestFilters:
    @pytest.mark.parametrize("kind", ["built in", "page"])
    @pytest.mark.parametrize("stage", [Stage.EXECUTE, Stage.UPDATE_CACHE, Stage.LOG, Stage.END])
    def test_pipeline_x09_the_body_decodes_as_its_headers_say(self, stage: Stage, kind: str) -> None:
        modules = [on(Stage.BEGIN, compress), on(stage, raising(ValueError("boom")))]
        rules = [rule(page_of(lambda: "500 sorry"), [500])] if kind == "page" else []
        answer = ask(open_pages(*rules, functions={"/": lambda: "hello"}, modules=modules))
        assert answer.status == 500
        is_encoded = answer.headers.get("content-encoding") == "gzip"
        assert (gzip.decompress(answer.body) if is_encoded else answer.body).startswith(b"500 ")

    def test_pipeline_x09_without_an_error_the_filter_works(self) -> None:
        answer = ask(open_pages(functions={"/": lambda: "hello"}, modules=[on(Stage.BEGIN, compress)]))
        assert (answer.headers["content-encoding"], gzip.decompress(answer.body)) == ("gzip", b"hello")


class TestWritingBehind:
    @pytest.mark.parametrize("kind", ["built in", "page", "file", "hook"])
    def test_pipeline_x10_the_body_of_an_error_answer_is_sealed(self, kind: str) -> None:
        def write(context: Context) -> None:
            try:
                context.response.write("more")
            except ContractError as error:
                raised.append(type(error).__name__)
                raise

        def attach(hooks: Hooks) -> None:
            if kind == "hook":
                hooks.on_error(lambda context: Response("sorry", status=500))

        raised: list[str] = []
        seen: list[str] = []
        pages = {"page": page_of(lambda: "sorry"), "file": ErrorPage("f", content_type=b"text/html", body=b"sorry")}
        rules = [rule(pages[kind], [500])] if kind in pages else []
        modules = [
            Attached(attach),
            on(Stage.LOG, write),
            on(Stage.END, lambda context: seen.extend(type(each).__name__ for each in context.errors)),
        ]
        answer = ask(open_pages(*rules, functions={"/": boom}, modules=modules))
        assert answer.status == 500
        assert "more" not in answer.text
        assert raised == ["ResponseSealed"]
        assert seen == ["ValueError", "ResponseSealed"]

    def test_pipeline_x10_another_body_may_take_its_place_and_headers_may_change(self) -> None:
        def replace(context: Context) -> None:
            context.response.headers["x-log"] = "yes"
            context.response.replace("the other")

        answer = ask(open_pages(functions={"/": boom}, modules=[on(Stage.END, replace)]))
        assert (answer.status, answer.text, answer.headers["x-log"]) == (500, "the other", "yes")


class TestHooks:
    def test_pipeline_x07_an_answer_of_a_hook_stands_beside_the_headers_of_modules(self) -> None:
        def begin(context: Context) -> None:
            headers = context.response.headers
            headers["access-control-allow-origin"] = "https://mills.example"
            headers["x-said"] = "by the module"
            headers["content-type"] = "text/x-banner"
            context.response.set_cookie("module", "1")

        def handler(context: Context) -> object:
            context.response.headers["x-handler"] = "yes"
            raise ValueError("boom")

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, begin)
            hooks.on_error(lambda _: Response("{}", status=503, headers={"x-said": "by the hook"}))

        answer = ask(open_pages(functions={"/": handler}, modules=[Attached(attach)]))
        assert (answer.status, answer.text) == (503, "{}")
        assert answer.headers["access-control-allow-origin"] == "https://mills.example"
        assert answer.headers.get_all("x-said") == ["by the hook"]
        assert answer.headers.get_all("content-type") == ["text/plain; charset=utf-8"]
        assert len(answer.headers.get_all("set-cookie")) == 1
        assert answer.headers.get("x-handler") is None

    def test_a_hook_may_answer_with_the_response_there_is(self) -> None:
        def answer_in_place(context: Context) -> Response:
            context.response.clear()
            context.response.status = 503
            context.response.write("sorry")
            return context.response

        module = Attached(lambda hooks: hooks.on_error(answer_in_place))
        answer = ask(open_pages(functions={"/": boom}, modules=[module]))
        assert (answer.status, answer.text) == (503, "sorry")


class TestSendingFails:
    """pipeline E-11: an answer that cannot be sent does not keep the error answer from being sent."""

    @pytest.mark.parametrize("function", [boom, lambda: "hello"], ids=["error", "answer"])
    def test_a_header_that_cannot_be_sent_is_not_kept(self, function: Callable[..., object]) -> None:
        def break_head(context: Context) -> None:
            context.response.raw_headers.append((b"x-broken", b"a\r\nb"))

        answer = ask(open_pages(functions={"/": function}, modules=[on(Stage.BEGIN, break_head)]))
        assert answer.status == 500
        assert answer.text.startswith("500 Internal Server Error\nerror id ")
        assert answer.headers.get("x-broken") is None
        assert not answer.is_aborted
