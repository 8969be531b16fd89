"""Whole journeys through the stages: what wraps them, who asks, what comes behind the last (pipeline P-05, P-15 to P-21)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from penstock import Context, Hooks, HTTPError, Response, Stage, after, around
from penstock import on as at
from penstock.server import open_client
from penstock.settings import (
    AppSettings,
    FilteringSettings,
    LocationSettings,
    LogSettings,
    ModuleSettings,
    RouteSettings,
    ServerSettings,
    SiteSettings,
)
from penstock.testing import Client
from tests.pipeline.subject import (
    FINAL,
    WHOLE,
    Attached,
    Recorder,
    ask,
    hello,
    noted_handler,
    on,
    open_site,
    raising,
)


def noting(log: list[str], text: str) -> Callable[[Context], None]:
    return lambda context: log.append(text)


def wrapping(log: list[str], name: str) -> Attached:
    """A module that notes the beginning and the end of every step."""

    @contextmanager
    def wrap(context: Context, step: Any) -> Iterator[None]:
        log.append(f"{name}({step.hook}")
        try:
            yield
        finally:
            log.append(f"{step.hook}){name}")

    return Attached(lambda hooks: hooks.around_steps(wrap))


class TestOrder:
    def test_pipeline_p05_a_priority_comes_before_the_order_of_registration(self) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, noting(log, "second"))
            hooks.on(Stage.BEGIN, noting(log, "third"))
            hooks.on(Stage.BEGIN, noting(log, "last"), priority=1)
            hooks.on(Stage.BEGIN, noting(log, "first"), priority=-1)

        ask(open_site(Attached(attach)))
        assert log == ["first", "second", "third", "last"]

    def test_pipeline_a09_stages_may_be_named_in_any_case(self) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on("begin", noting(log, "begin"))
            hooks.after("Authorize", noting(log, "authorize"))

        ask(open_site(Attached(attach)))
        assert log == ["begin", "authorize"]

    def test_pipeline_a09_an_unknown_stage_lists_those_that_are(self) -> None:
        with pytest.raises(Exception, match="begin_requset") as caught:
            open_site(Attached(lambda hooks: hooks.on("begin_requset", print)))
        assert all(stage.name in str(caught.value) for stage in Stage)

    def test_pipeline_a09_hooks_may_be_declared_where_they_are_written(self) -> None:
        log: list[str] = []

        class Declared:
            @at(Stage.BEGIN)
            def begin(self, context: Context) -> None:
                log.append("begin")

            @after(Stage.AUTHORIZE)
            async def authorized(self, context: Context) -> None:
                log.append("authorized")

            @around(Stage.MAP_HANDLER, Stage.END)
            @contextmanager
            def span(self, context: Context) -> Iterator[None]:
                log.append("(")
                yield
                log.append(")")

        assert ask(open_site(Declared())).status == 200
        assert log == ["begin", "authorized", "(", ")"]


class TestEveryModule:
    def test_pipeline_p15_a_module_guards_files_as_it_guards_anything(self, tmp_path: Path) -> None:
        (tmp_path / "secret.txt").write_text("secret")
        module = on(Stage.AUTHORIZE, raising(HTTPError(401, headers=[(b"www-authenticate", b"Basic")])))
        site = SiteSettings(root=str(tmp_path), modules=(ModuleSettings(use="tested:guard"),))
        server = ServerSettings(log=LogSettings(access=False))
        client = open_client(site, server=server, objects={"tested:guard": module})
        answer = ask(client, "/secret.txt")
        assert (answer.status, "secret" in answer.text) == (401, False)


class TestFiltering:
    def test_pipeline_p02_a_path_that_is_filtered_calls_no_begin_but_the_final_stages(self) -> None:
        log: list[str] = []

        @contextmanager
        def scope(context: Context) -> Iterator[None]:
            log.append("entered")
            yield

        site = SiteSettings(
            modules=(ModuleSettings(use="tested:scope"), ModuleSettings(use="tested:recorder")),
            routes=(RouteSettings(at="/{name}", function="tested:handler"),),
            locations=(LocationSettings(at="/", filtering=FilteringSettings(characters="<>")),),
        )
        objects = {
            "tested:scope": Attached(lambda hooks: hooks.around(Stage.BEGIN, Stage.END, scope)),
            "tested:recorder": Recorder(log),
            "tested:handler": hello,
        }
        server = ServerSettings(log=LogSettings(access=False))
        assert ask(open_client(site, server=server, objects=objects), "/a%3Cb").status == 400
        assert log == FINAL


class TestAroundSteps:
    def test_pipeline_p17_every_step_is_wrapped_the_last_registered_outermost(self) -> None:
        log: list[str] = []

        def hook(context: Context) -> None:
            log.append("hook")

        ask(open_site(wrapping(log, "A"), wrapping(log, "B"), on(Stage.BEGIN, hook)))
        start = log.index("hook") - 2
        assert log[start : start + 5] == ["B(hook", "A(hook", "hook", "hook)A", "hook)B"]

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_p17_a_step_that_waits_is_wrapped_to_its_end(self, is_async: bool) -> None:
        log: list[str] = []

        async def hook(context: Context) -> None:
            log.append("begun")
            if is_async:
                await asyncio.sleep(0)
            log.append("ended")

        ask(open_site(wrapping(log, "A"), on(Stage.BEGIN, hook)))
        assert log[:4] == ["A(hook", "begun", "ended", "hook)A"]

    def test_pipeline_p17_a_wrapper_that_swallows_cannot_make_a_failed_request_go_on(self) -> None:
        log: list[str] = []

        class Swallow:
            def __enter__(self) -> None:
                pass

            def __exit__(self, *reason: object) -> bool:
                return True

        module = Attached(lambda hooks: hooks.around_steps(lambda context, step: Swallow()))
        refusal = on(Stage.AUTHORIZE, raising(PermissionError()))
        answer = ask(open_site(module, refusal, function=lambda: log.append("handler")))
        assert (answer.status, log) == (403, [])

    @pytest.mark.parametrize("moment", ["called", "entered", "left"])
    def test_pipeline_p17_a_wrapper_that_fails_keeps_no_final_step_from_running(self, moment: str) -> None:
        log: list[str] = []

        class Broken:
            def __enter__(self) -> None:
                if moment == "entered":
                    raise ValueError("broken wrapper")

            def __exit__(self, *reason: object) -> None:
                if moment == "left":
                    raise ValueError("broken wrapper")

        def wrap(context: Context, step: Any) -> Broken:
            if moment == "called":
                raise ValueError("broken wrapper")
            return Broken()

        answer = ask(open_site(Attached(lambda hooks: hooks.around_steps(wrap)), Recorder(log)))
        assert answer.status == 500
        assert log[-3:] == FINAL

    def test_pipeline_p17_what_is_told_of_a_step(self) -> None:
        seen: list[Any] = []

        @contextmanager
        def wrap(context: Context, step: Any) -> Iterator[None]:
            seen.append(step)
            yield

        class Guard:
            def attach(self, hooks: Hooks) -> None:
                hooks.after(Stage.AUTHORIZE, self.check)

            def check(self, context: Context) -> None:
                pass

        ask(open_site(Attached(lambda hooks: hooks.around_steps(wrap)), Guard()))
        step = next(each for each in seen if each.hook == "check")
        assert (step.stage, step.is_post, step.module) == (Stage.AUTHORIZE, True, "module1")

    def test_pipeline_p06_steps_are_wrapped_at_start_or_never(self) -> None:
        kept: list[Hooks] = []

        def handler(context: Context) -> str:
            with pytest.raises(Exception, match="attach"):
                kept[0].around_steps(lambda context, step: contextmanager(lambda: iter([None]))())
            return "unharmed"

        assert ask(open_site(Attached(kept.append), function=handler)).text == "unharmed"


class TestBeforeTheHead:
    @pytest.mark.parametrize("action", ["write", "flush"])
    def test_pipeline_p18_a_callback_may_neither_write_nor_flush(self, action: str) -> None:
        calls: list[str] = []

        def callback(response: Response) -> None:
            calls.append("called")
            if action == "write":
                response.write("more")
            else:
                response.flush().send(None)

        module = on(Stage.BEGIN, lambda context: context.response.on_sending_headers(callback))
        answer = ask(open_site(module))
        assert (answer.status, calls) == (500, ["called"])
        assert "more" not in answer.text


class TestWhoAsks:
    def test_pipeline_p20_none_is_the_anonymous_principal(self) -> None:
        seen: list[object] = []

        def sign_out(context: Context) -> None:
            context.principal = None

        look = Attached(lambda hooks: hooks.after(Stage.AUTHORIZE, lambda context: seen.append(context.principal.name)))
        assert ask(open_site(on(Stage.AUTHENTICATE, sign_out), look)).status == 200
        assert seen == [""]

    @pytest.mark.parametrize("status", [401, 403, 302])
    def test_pipeline_p20_a_status_set_while_authenticating_ends_the_request(self, status: int) -> None:
        log: list[str] = []

        def refuse(context: Context) -> None:
            context.response.status = status

        answer = ask(open_site(on(Stage.AUTHENTICATE, refuse), Recorder(log), function=noted_handler(log)))
        assert answer.status == status
        # The judge of it comes first in the half behind AUTHENTICATE.
        assert log == [*WHOLE[: WHOLE.index("AUTHENTICATE+")], *FINAL]
        assert bool(answer.body) is (status == 401)

    @pytest.mark.parametrize("is_app", [False, True])
    def test_pipeline_p21_only_what_answers_can_allow_the_anonymous(self, is_app: bool) -> None:
        client = _guarded(is_app=is_app)
        for path, status in (("/login", 200), ("/LOGIN", 401), ("/login;x=1", 401), ("/login/../secret", 401)):
            assert _status(client(), path) == status, path
        assert _status(client(), "/secret") == 401


def _guarded(*, is_app: bool) -> Callable[[], Client]:
    """A site whose every page but /login refuses the anonymous."""

    def guard(context: Context) -> None:
        if not context.principal.is_authenticated and not context.allow_anonymous:
            raise HTTPError(401, headers=[(b"www-authenticate", b"Basic")])

    async def application(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"login"})

    secret = RouteSettings(at="/{name}", function="tested:secret")
    if is_app:
        site = SiteSettings(
            modules=(ModuleSettings(use="tested:guard"),),
            routes=(RouteSettings(at="/secret", function="tested:secret"),),
            apps=(AppSettings(at="/login", asgi="tested:app", allow_anonymous=True),),
        )
    else:
        login = RouteSettings(at="/login", function="tested:login", allow_anonymous=True)
        site = SiteSettings(modules=(ModuleSettings(use="tested:guard"),), routes=(login, secret))
    objects = {
        "tested:guard": on(Stage.AUTHORIZE, guard),
        "tested:login": lambda: "login",
        "tested:secret": hello,
        "tested:app": application,
    }
    return lambda: open_client(site, server=ServerSettings(log=LogSettings(access=False)), objects=objects)


def _status(client: Client, path: str) -> int:
    return ask(client, path).status
