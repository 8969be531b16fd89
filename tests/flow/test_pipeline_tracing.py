"""Traces of failed requests from settings to the folder: pipeline section 17, scenario 16."""

import asyncio
import json
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock import Context, Hooks, HTTPError, Stage
from penstock.server import ServerThread
from penstock.server.trace_files import TraceFolder
from penstock.server.trace_model import TraceRecord, read_trace
from penstock.settings import (
    AppSettings,
    LocationSettings,
    LogSettings,
    ModuleSettings,
    RouteSettings,
    ServerSettings,
    SiteSettings,
    TraceSettings,
)
from tests.pipeline.subject import Attached

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}


def ok() -> str:
    return "fine"


def bug() -> str:
    raise ValueError("a bug")


async def slow() -> str:
    await asyncio.sleep(0.15)
    return "at last"


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Answers 500 itself, as frameworks do, after a while."""
    await asyncio.sleep(0.05)
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b"oops"})


def wsgi(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
    if environ["PATH_INFO"] == "/slow":
        threading.Event().wait(0.15)
        start_response("200 OK", [])
        return [b"at last"]
    start_response("503 Service Unavailable", [])
    return [b"later"]


def gate(hooks: Hooks) -> None:
    async def check(context: Context) -> None:
        if context.request.path == "/forbidden":
            raise HTTPError(503, "closed")

    hooks.on(Stage.AUTHORIZE, check)


OBJECTS: dict[str, object] = {
    "shop:ok": ok,
    "shop:slow": slow,
    "shop:bug": bug,
    "shop:asgi": asgi,
    "shop:wsgi": wsgi,
    "shop:Gate": Attached(gate),
}
PATHS = {"/ok": "shop:ok", "/forbidden": "shop:ok", "/slow": "shop:slow", "/bug/{rest:path}": "shop:bug"}


def site_with(*rules: TraceSettings, **more: Any) -> SiteSettings:
    return SiteSettings(
        modules=(ModuleSettings(use="shop:Gate"),),
        routes=tuple(RouteSettings(at=at, function=function) for at, function in PATHS.items()),
        apps=(AppSettings(at="/asgi", asgi="shop:asgi"), AppSettings(at="/wsgi", wsgi="shop:wsgi", threads=2)),
        traces=rules,
        **more,
    )


def traces_of(
    folder: Path,
    site: SiteSettings,
    *paths: str,
    objects: dict[str, object] = OBJECTS,
    is_developed: bool = False,
    **log: Any,
) -> list[TraceRecord]:
    """What requests for `paths`, one after the other, leave in `folder`, oldest first."""
    settings = ServerSettings(
        listen=("127.0.0.1:0",),
        app_dirs=(),
        mode="development" if is_developed else "production",
        log=LogSettings(access=False, traces=str(folder), **log),
    )
    with ServerThread(site, server=settings, objects=objects) as server:
        for path in paths:
            httpx.get(server.url + path, headers=CALLER)
    return [read_trace(path) for path in reversed(TraceFolder(folder).files())]


class TestScenario16:
    """Rule: status 500 and above, or slower than a tenth of a second."""

    SITE = site_with(TraceSettings(at="/", status=("500-599",), slower_than=0.1))

    def test_scenario_16_pipeline_d04_200_then_500_is_one_file_that_names_who_set_it(self, tmp_path: Path) -> None:
        (record,) = traces_of(tmp_path, self.SITE, "/ok", "/bug/x")
        assert (record.path, record.status, record.outcomes) == ("/bug/x", 500, ("failed",))
        for place in (record.failed_at, record.status_set_by):
            assert place is not None
            assert (place.stage, place.module) == ("EXECUTE", "function shop:bug")
        assert record.errors[0].type == "ValueError"

    @pytest.mark.parametrize(
        ("path", "outcome", "place", "how"),
        [
            ("/slow", "slow", ("EXECUTE", "function shop:slow"), "awaited"),
            ("/wsgi/slow", "slow", ("EXECUTE", "WSGI shop:wsgi"), "parked"),
            ("/wsgi/", "failed", ("EXECUTE", "WSGI shop:wsgi"), "parked"),
            ("/asgi/", "failed", ("EXECUTE", "ASGI shop:asgi"), "awaited"),
            ("/forbidden", "failed", ("AUTHORIZE", "Gate"), "awaited"),
            ("/bug/x", "failed", ("EXECUTE", "function shop:bug"), ""),
        ],
    )
    def test_scenario_16_each_has_its_stage_and_module(
        self, tmp_path: Path, path: str, outcome: str, place: tuple[str, str], how: str
    ) -> None:
        (record,) = traces_of(tmp_path, self.SITE, "/ok", path, "/ok")
        assert (record.path, record.outcome) == (path, outcome)
        (step,) = [step for step in record.steps if (step.stage, step.module) == place]
        assert step.how == how
        if outcome == "failed":
            assert record.status_set_by is not None
            assert (record.status_set_by.stage, record.status_set_by.module) == place
        else:
            assert step is max(record.steps, key=lambda each: each.seconds)

    @pytest.mark.parametrize("path", ["/slow", "/wsgi/slow", "/asgi/", "/bug/x", "/forbidden"])
    def test_scenario_16_pipeline_d04_durations_sum_to_the_total(self, tmp_path: Path, path: str) -> None:
        (record,) = traces_of(tmp_path, self.SITE, path)
        assert sum(step.seconds for step in record.steps) == pytest.approx(record.seconds - record.waited, rel=0.05)

    def test_scenario_16_what_does_not_match_leaves_nothing(self, tmp_path: Path) -> None:
        assert traces_of(tmp_path, self.SITE, "/ok", "/nothing", "/ok") == []


def turns(hooks: Hooks) -> None:
    """/a leads to /b, and /b to /a."""
    others = {"/a": "/b", "/b": "/a"}

    def onward(context: Context) -> None:
        if context.request.path in others:
            context.redispatch(others[context.request.path])

    hooks.on(Stage.AUTHORIZE, onward)


def test_scenario_13_pipeline_h13_the_trace_of_a_loop_shows_the_chain(tmp_path: Path) -> None:
    site = site_with(TraceSettings())
    objects = {**OBJECTS, "shop:Gate": Attached(turns)}
    (record,) = traces_of(tmp_path, site, "/a", objects=objects)
    assert record.status == 500
    assert record.redispatches == ("/a", "/b") * 5
    assert "re-dispatch loop" in record.errors[0].message
    assert record.failed_at is not None
    assert (record.failed_at.stage, record.failed_at.module) == ("AUTHORIZE", "Gate")


class TestRules:
    def test_pipeline_d04_a_rule_holds_below_its_path_with_or_without_a_location(self, tmp_path: Path) -> None:
        site = site_with(TraceSettings(at="/bug/a"), locations=(LocationSettings(at="/bug/a/b", headers={"x-b": "1"}),))
        records = traces_of(tmp_path, site, "/bug/x", "/bug/ab", "/bug/a", "/bug/a/c", "/bug/a/b/c")
        assert [record.path for record in records] == ["/bug/a", "/bug/a/c", "/bug/a/b/c"]

    def test_pipeline_d04_the_rule_with_the_longest_path_holds(self, tmp_path: Path) -> None:
        site = site_with(TraceSettings(at="/"), TraceSettings(at="/bug/quiet", status=(404,)))
        records = traces_of(tmp_path, site, "/bug/x", "/bug/quiet/x")
        assert [(record.path, record.rule.at) for record in records] == [("/bug/x", "/")]

    def test_pipeline_d04_a_location_under_a_rule_keeps_its_own_rules(self, tmp_path: Path) -> None:
        site = site_with(TraceSettings(at="/bug/a"), locations=(LocationSettings(at="/bug", headers={"x-b": "1"}),))
        (record,) = traces_of(tmp_path, site, "/bug/a")
        assert ("x-b", "1") in record.response_headers

    def test_pipeline_d04_so_many_files_and_no_more(self, tmp_path: Path) -> None:
        site = site_with(TraceSettings())
        records = traces_of(tmp_path, site, *(f"/bug/{number}" for number in range(5)), trace_files=2)
        assert [record.path for record in records] == ["/bug/3", "/bug/4"]

    def test_pipeline_d04_nobody_else_may_look(self, tmp_path: Path) -> None:
        traces_of(tmp_path / "traces", site_with(TraceSettings()), "/bug/x?token=s3cret")
        (file,) = TraceFolder(tmp_path / "traces").files()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert "s3cret" not in file.read_text("utf-8")

    def test_pipeline_d04_without_a_rule_there_is_no_folder(self, tmp_path: Path) -> None:
        assert traces_of(tmp_path / "traces", site_with(), "/bug/x") == []
        assert not (tmp_path / "traces").exists()

    def test_a_folder_that_cannot_be_had_is_told_at_start(self, tmp_path: Path) -> None:
        (tmp_path / "traces").touch()
        with pytest.raises(Exception, match="cannot be made a folder"):
            traces_of(tmp_path / "traces", site_with(TraceSettings()))


class TestDevelopment:
    def test_a_step_that_holds_the_loop_is_named_with_and_without_a_rule(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        def holds_the_loop() -> str:
            threading.Event().wait(0.06)
            return "done"

        for rules in ((), (TraceSettings(),)):
            caplog.clear()
            traces_of(
                tmp_path, site_with(*rules), "/ok", objects={**OBJECTS, "shop:ok": holds_the_loop}, is_developed=True
            )
            assert "function shop:ok held the loop for" in caplog.text


class TestTraceContext:
    def test_pipeline_d06_the_same_trace_id_in_trace_log_and_error_id(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (record,) = traces_of(tmp_path, site_with(TraceSettings()), "/bug/x")
        assert record.trace_id == TRACE_ID
        assert record.error_id
        assert f"trace id {TRACE_ID}, error id {record.error_id}" in caplog.text


class TestRequestList:
    def test_pipeline_d05_a_parked_handler_is_listed_with_its_stage(self, tmp_path: Path) -> None:
        entered, go_on = threading.Event(), threading.Event()

        def parked(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
            entered.set()
            go_on.wait(10)
            start_response("200 OK", [])
            return [b"done"]

        site = SiteSettings(
            routes=(RouteSettings(at="/_status", handler="penstock.request_handlers.request_list:RequestList"),),
            apps=(AppSettings(at="/", wsgi="shop:parked", threads=2),),
        )
        settings = ServerSettings(listen=("127.0.0.1:0",), app_dirs=(), log=LogSettings(access=False))
        with ServerThread(site, server=settings, objects={"shop:parked": parked}) as server:
            asking = threading.Thread(target=httpx.get, args=(server.url + "/slow?token=s3cret",))
            asking.start()
            assert entered.wait(10)
            answer = httpx.get(server.url + "/_status", headers={"accept": "application/json"})
            go_on.set()
            asking.join(10)
        (entry,) = json.loads(answer.content)["requests"]
        assert (entry["stage"], entry["module"], entry["path"]) == ("EXECUTE", "WSGI shop:parked", "/slow")
