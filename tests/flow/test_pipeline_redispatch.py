"""Whole journeys that begin again for another path within the same request (pipeline H-13, H-14, scenario 13)."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from penstock import Context, ContractError, HTTPError, Stage
from tests.pipeline.subject import FINAL, Attached, Recorder, ask, hello, on, open_site


class TestRedispatch:
    def test_pipeline_h13_one_request_begins_and_ends_once(self) -> None:
        log: list[str] = []
        seen: list[object] = []

        def again(context: Context) -> None:
            if context.request.path == "/a":
                context.redispatch("/b")

        def end(context: Context) -> None:
            seen.append((context.original_path, context.request.path, context.worker_request.head.target))

        client = open_site(
            Recorder(log),
            on(Stage.AUTHORIZE, again),
            on(Stage.END, end),
            functions={"/a": lambda: "a", "/b": lambda: "b"},
        )
        answer = ask(client, "/a")
        assert (answer.status, answer.text) == (200, "b")
        assert seen == [("/a", "/b", b"/a")]
        for once in ("BEGIN", "AUTHENTICATE", "AUTHENTICATE+", "MAP_HANDLER", "EXECUTE", "LOG", "END"):
            assert log.count(once) == 1, once
        assert log.count("AUTHORIZE") == 2

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_h13_a_handler_hands_over_to_another(self, is_async: bool) -> None:
        log: list[str] = []

        def first(context: Context) -> None:
            context.response.status = 201
            context.response.headers["x-first"] = "kept"
            context.response.write("dropped")
            context.redispatch("/b")

        async def first_later(context: Context) -> None:
            await asyncio.sleep(0)
            first(context)

        functions: dict[str, Callable[..., object]] = {"/a": first_later if is_async else first, "/b": lambda: "b"}
        answer = ask(open_site(Recorder(log), functions=functions), "/a")
        assert (answer.status, answer.text, answer.headers["x-first"]) == (200, "b", "kept")
        # What was acquired is released before it is acquired for the new path.
        state = [each for each in log if each in ("ACQUIRE_STATE", "RELEASE_STATE", "EXECUTE")]
        assert state == ["ACQUIRE_STATE", "EXECUTE", "RELEASE_STATE", "ACQUIRE_STATE", "EXECUTE", "RELEASE_STATE"]

    def test_pipeline_h13_open_scopes_stay_open_and_are_not_entered_twice(self) -> None:
        log: list[str] = []

        def again(context: Context) -> None:
            if context.request.path == "/a":
                context.redispatch("/b")

        modules = [
            _scoped(log, "whole", first=Stage.BEGIN, last=Stage.END),
            _scoped(log, "inner", first=Stage.AUTHORIZE, last=Stage.EXECUTE),
            on(Stage.AUTHORIZE, again),
        ]
        assert ask(open_site(*modules, functions={"/a": lambda: "a", "/b": lambda: "b"}), "/a").text == "b"
        assert log == ["whole(", "inner(", "inner)", "whole)"]

    def test_pipeline_h13_they_stay_open_though_state_is_released(self) -> None:
        log: list[str] = []
        modules = [
            _scoped(log, "whole", first=Stage.BEGIN, last=Stage.END),
            _scoped(log, "inner", first=Stage.AUTHORIZE, last=Stage.EXECUTE),
            on(Stage.RELEASE_STATE, lambda context: log.append("release")),
        ]
        functions: dict[str, Callable[..., object]] = {
            "/a": lambda context: context.redispatch("/b"),
            "/b": lambda: "b",
        }
        assert ask(open_site(*modules, functions=functions), "/a").text == "b"
        assert log == ["whole(", "inner(", "release", "inner)", "release", "whole)"]

    @pytest.mark.parametrize("to", ["/b/x", "/nothing"])
    @pytest.mark.parametrize(
        ("first", "last"),
        [(Stage.AUTHORIZE, Stage.END), (Stage.EXECUTE, Stage.EXECUTE), (Stage.ACQUIRE_STATE, Stage.RELEASE_STATE)],
    )
    def test_pipeline_p12_a_scope_of_the_old_location_is_left_though_the_new_one_has_none(
        self, first: Stage, last: Stage, to: str
    ) -> None:
        log: list[str] = []
        client = open_site(
            functions={"/a/x": lambda context: context.redispatch(to), "/b/x": lambda: "b"},
            locations={"/a": [_scoped(log, "of a", first=first, last=last)]},
        )
        assert ask(client, "/a/x").status == (200 if to == "/b/x" else 404)
        assert log == ["of a(", "of a)"]

    @pytest.mark.parametrize("stage", [Stage.BEGIN, Stage.UPDATE_CACHE, Stage.LOG, Stage.END])
    def test_pipeline_h13_elsewhere_it_raises_and_names_the_stage(self, stage: Stage) -> None:
        told: list[str] = []

        def hook(context: Context) -> None:
            with pytest.raises(ContractError) as caught:
                context.redispatch("/b")
            told.append(str(caught.value))

        assert ask(open_site(on(stage, hook), functions={"/": hello, "/b": lambda: "b"})).text == "hello"
        assert stage.name in told[0]

    def test_pipeline_h13_behind_a_head_that_has_left_it_raises(self) -> None:
        told: list[str] = []

        async def handler(context: Context) -> None:
            context.response.write("half")
            await context.response.flush()
            with pytest.raises(ContractError) as caught:
                context.redispatch("/b")
            told.append(str(caught.value))

        answer = ask(open_site(functions={"/": handler, "/b": lambda: "b"}))
        assert (answer.status, answer.text, len(told)) == (200, "half", 1)

    def test_pipeline_h14_the_new_path_is_authorized(self) -> None:
        log: list[str] = []

        def refuse(context: Context) -> None:
            raise HTTPError(403)

        client = open_site(
            functions={"/public": lambda context: context.redispatch("/admin"), "/admin": lambda: log.append("admin")},
            locations={"/admin": [on(Stage.AUTHORIZE, refuse)]},
        )
        assert ask(client, "/public").status == 403
        assert log == []

    def test_pipeline_h14_what_allows_the_anonymous_does_not_do_so_for_another_path(self) -> None:
        seen: list[tuple[str, bool]] = []

        def look(context: Context) -> None:
            seen.append((context.request.path, context.allow_anonymous))

        client = open_site(
            on(Stage.AUTHORIZE, look),
            functions={"/public": lambda context: context.redispatch("/admin"), "/admin": hello},
        )
        assert ask(client, "/public").status == 200
        assert seen == [("/public", False), ("/admin", False)]


def _scoped(log: list[str], name: str, *, first: Stage, last: Stage) -> Attached:
    @contextmanager
    def scope(context: Context) -> Iterator[None]:
        log.append(f"{name}(")
        try:
            yield
        finally:
            log.append(f"{name})")

    return Attached(lambda hooks: hooks.around(first, last, scope))


def test_scenario_13_a_loop_of_redispatches_ends(caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []

    def to(path: str) -> Callable[[Context], None]:
        def handler(context: Context) -> None:
            log.append(context.request.path)
            context.redispatch(path)

        return handler

    recorder: list[str] = []
    with caplog.at_level(logging.DEBUG, "penstock"):
        answer = ask(open_site(Recorder(recorder), functions={"/a": to("/b"), "/b": to("/a")}), "/a")
    assert answer.status == 500
    assert log == ["/a", "/b"] * 5 + ["/a"]  # the first, and ten more
    assert "re-dispatch loop" in caplog.text
    assert "/a -> /b -> /a" in caplog.text.replace("→", "->").replace("'", "")
    assert recorder[-3:] == FINAL
    assert (recorder.count("BEGIN"), recorder.count("END")) == (1, 1)
