"""What answers: mapped in MAP_HANDLER, made once or for each request, released behind END (pipeline sections 3 and 4)."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from threading import Event, current_thread
from typing import Any

import pytest

from penstock import Context, Request, Stage
from penstock.server import open_client
from penstock.settings import (
    AppSettings,
    LimitSettings,
    LocationLimitSettings,
    LocationSettings,
    LogSettings,
    ModuleSettings,
    RouteSettings,
    ServerSettings,
    SiteSettings,
)
from penstock.testing import Client, ClientResponse
from tests.pipeline.subject import LOOPS, on, run, settle


def route(at: str, **keys: Any) -> RouteSettings:
    return RouteSettings(at=at, **keys)


def site_of(
    *routes: RouteSettings,
    objects: Mapping[str, object],
    modules: tuple[object, ...] = (),
    locations: tuple[LocationSettings, ...] = (),
    limits: LimitSettings | None = None,
    **site: Any,
) -> Client:
    """A client of a site with these routes; `modules` are objects."""
    named = {f"tested:module{number}": module for number, module in enumerate(modules)}
    settings = SiteSettings(
        routes=routes, modules=tuple(ModuleSettings(use=name) for name in named), locations=locations, **site
    )
    server = ServerSettings(log=LogSettings(access=False), limits=limits or LimitSettings())
    return open_client(settings, server=server, objects={**named, **objects})


def ask(client: Client, method: str, target: str, **keys: Any) -> ClientResponse:
    async def journey() -> ClientResponse:
        async with client:
            return await client.request(method, target, **keys)

    return run(journey)


class Counting:
    """A handler that counts how many of it were made."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    def handle(self, context: Context) -> str:
        return type(self).__name__


class TestMapping:
    def test_pipeline_h01_a_handler_is_seen_from_map_handler_on(self) -> None:
        seen: list[tuple[str, str]] = []

        def look(name: str) -> Callable[[Context], None]:
            return lambda context: seen.append((name, type(context.handler).__name__))

        modules = (
            on(Stage.BEGIN, look("begin")),
            on(Stage.MAP_HANDLER, look("map")),
            on(Stage.ACQUIRE_STATE, look("acquire")),
            on(Stage.END, look("end")),
        )
        for keys in ({"handler": "x:H"}, {"handler": "x:H", "lifetime": "per_request"}, {"factory": "x:F"}):
            seen.clear()
            factory = type("F", (), {"get": lambda self, context: Counting()})
            client = site_of(route("/", **keys), objects={"x:H": Counting, "x:F": factory}, modules=modules)
            assert ask(client, "GET", "/").text == "Counting"
            assert seen == [("begin", "NoneType"), ("map", "NoneType"), ("acquire", "Counting"), ("end", "Counting")]

    def test_pipeline_h01_functions_applications_and_files_are_handlers(self, tmp_path: Path) -> None:
        seen: list[object] = []
        (tmp_path / "a.txt").write_text("file")

        def function() -> str:
            return "function"

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"application"})

        client = site_of(
            route("/function", function="x:function"),
            objects={"x:function": function, "x:app": application},
            modules=(on(Stage.PRE_EXECUTE, lambda context: seen.append(context.handler)),),
            apps=(AppSettings(at="/app", asgi="x:app"),),
            root=str(tmp_path),
        )

        async def journey() -> None:
            async with client:
                for path in ("/function", "/app", "/a.txt"):
                    assert (await client.get(path)).status == 200

        run(journey)
        assert seen[:2] == [function, application]
        assert type(seen[2]).__name__ == "StaticFiles"

    def test_pipeline_h02_the_first_entry_that_matches_path_and_method_wins(self) -> None:
        routes = (
            route("/{rest:path}.x", function="x:A", methods=("GET",)),
            route("/{rest:path}", function="x:B", methods=("*",)),
        )
        objects = {"x:A": lambda: "A", "x:B": lambda: "B"}

        async def journey() -> list[str]:
            async with site_of(*routes, objects=objects) as client:
                asked = [("GET", "/f.x"), ("HEAD", "/f.y"), ("POST", "/f.x"), ("PURGE", "/a/b"), ("GET", "/f.xy")]
                return [(await client.request(method, path)).text for method, path in asked]

        assert run(journey) == ["A", "", "B", "B", "B"]

    def test_pipeline_h03_no_mapping_is_404_or_405_and_counted_once(self) -> None:
        async def journey() -> None:
            async with site_of(route("/a", function="x:A"), objects={"x:A": lambda: "A"}) as client:
                refused = await client.post("/a")
                assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
                assert client.runtime.statistics().failed == 1
                assert (await client.get("/b")).status == 404
                assert client.runtime.statistics().failed == 2
                assert client.runtime.statistics().not_found == 1

        run(journey)

    def test_pipeline_h08_nobody_comes_to_execute_without_a_handler(self) -> None:
        entered: list[object] = []
        module = on(Stage.EXECUTE, lambda context: entered.append(context.handler))
        factory = type("F", (), {"get": lambda self, context: None})
        client = site_of(route("/", factory="x:F"), objects={"x:F": factory}, modules=(module,))
        assert ask(client, "GET", "/").status == 404
        assert entered == []

    def test_pipeline_h15_paths_are_blocked_by_statuses(self) -> None:
        routes = (
            route("/{rest:path}.py", status=403),
            route("/old/{rest:path}", status=410),
            route("/later", status=501),
            route("/closed", status=405),
            route("/{rest:path}", function="x:A"),
        )

        async def journey() -> None:
            async with site_of(*routes, objects={"x:A": lambda: "A"}) as client:
                for method, path, status in (
                    ("GET", "/app.py", 403),
                    ("POST", "/a/b.py", 403),
                    ("GET", "/old/a", 410),
                    ("DELETE", "/later", 501),
                    ("GET", "/closed", 405),
                    ("GET", "/app.pyc", 200),
                ):
                    assert (await client.request(method, path)).status == status
                assert (await client.get("/closed")).headers["allow"] == ""

        run(journey)


class TestAccess:
    """pipeline H-09"""

    @pytest.mark.parametrize("keys", [{"function": "x:F"}, {"handler": "x:H"}, {"handler": "x:H", "threads": 1}])
    def test_pipeline_h09_without_script_no_code_of_the_site_runs(self, keys: dict[str, Any]) -> None:
        called: list[int] = []
        handler = type("H", (), {"handle": lambda self, context: called.append(1)})
        objects = {"x:F": lambda: called.append(1), "x:H": handler}
        client = site_of(
            route("/a/b", **keys), objects=objects, locations=(LocationSettings(at="/a", access=("read",)),)
        )
        assert ask(client, "GET", "/a/b").status == 403
        assert called == []

    def test_pipeline_h09_applications_run_code(self) -> None:
        called: list[int] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            called.append(scope["type"] == "http")

        client = site_of(
            objects={"x:app": application},
            apps=(AppSettings(at="/", asgi="x:app"),),
            locations=(LocationSettings(at="/uploads", access=("read",)),),
        )
        assert ask(client, "GET", "/uploads/a").status == 403
        assert True not in called

    def test_pipeline_h09_without_read_there_are_no_files(self, tmp_path: Path) -> None:
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "f.txt").write_text("file")
        client = site_of(
            route("/a/function", function="x:F"),
            objects={"x:F": lambda: "function"},
            locations=(LocationSettings(at="/a", access=("script",)),),
            root=str(tmp_path),
        )

        async def journey() -> list[int]:
            async with client:
                return [(await client.get(path)).status for path in ("/a/f.txt", "/a/function", "/b/f.txt")]

        assert run(journey) == [403, 200, 200]


class TestHandlers:
    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_h11_only_the_async_entry_is_called(self, loop: str) -> None:
        called: list[str] = []

        class Both:
            def handle(self, context: Context) -> str:
                called.append("handle")
                return "plain"

            async def handle_async(self, context: Context) -> str:
                called.append("handle_async")
                await asyncio.sleep(0)
                return "async"

        async def journey() -> str:
            async with site_of(route("/", handler="x:H"), objects={"x:H": Both}) as client:
                return (await client.get("/")).text

        assert run(journey, loop) == "async"
        assert called == ["handle_async"]

    def test_they_get_the_values_of_the_route_from_the_context(self) -> None:
        class Greeter:
            def __init__(self, word: str) -> None:
                self.word = word

            def handle(self, context: Context) -> str:
                return f"{self.word} {(context.route_values or {})['name']}"

        client = site_of(route("/{name}", handler="x:H", settings={"word": "hello"}), objects={"x:H": Greeter})
        assert ask(client, "GET", "/eva").text == "hello eva"

    def test_pipeline_z10_a_singleton_is_made_before_traffic(self) -> None:
        class One(Counting):
            made = 0

        async def journey() -> None:
            client = site_of(route("/", handler="x:H"), objects={"x:H": One})
            assert One.made == 0
            async with client:
                assert One.made == 1
                await asyncio.gather(*[client.get("/") for _ in range(20)])
                assert One.made == 1

        run(journey)

    def test_a_singleton_that_cannot_be_made_keeps_the_server_from_starting(self) -> None:
        from penstock import StartupError

        class Broken:
            def __init__(self) -> None:
                raise ValueError("no database")

            def handle(self, context: Context) -> None: ...

        async def journey() -> None:
            async with site_of(route("/", handler="x:H"), objects={"x:H": Broken}):
                pass

        with pytest.raises(StartupError, match=r"handler x:H failed to start: no database"):
            run(journey)

    def test_singletons_start_and_stop_with_the_site(self) -> None:
        log: list[str] = []

        class Living:
            async def on_start(self) -> None:
                log.append("start")

            def on_stop(self) -> None:
                log.append("stop")

            def handle(self, context: Context) -> str:
                log.append("handle")
                return ""

        assert ask(site_of(route("/", handler="x:H"), objects={"x:H": Living}), "GET", "/").status == 200
        assert log == ["start", "handle", "stop"]

    def test_pipeline_r02_per_request_as_many_as_requests(self) -> None:
        class Many(Counting):
            made = 0

        async def journey() -> None:
            routes = route("/", handler="x:H", lifetime="per_request")
            async with site_of(routes, objects={"x:H": Many}) as client:
                assert Many.made == 0
                await asyncio.gather(*[client.get("/") for _ in range(8)])

        run(journey)
        assert Many.made == 8

    def test_pipeline_r03_a_request_that_comes_in_again_gets_another_object(self) -> None:
        class Nested(Counting):
            def handle(self, context: Context) -> str:
                if context.request.path == "/outer":
                    context.redispatch("/inner")
                seen.append(self)
                return "answered"

            def close(self) -> None:
                closed.append(self)

        seen: list[Nested] = []
        closed: list[Nested] = []
        client = site_of(route("/{name}", handler="x:H", lifetime="per_request"), objects={"x:H": Nested})
        assert ask(client, "GET", "/outer").text == "answered"
        assert len(seen) == 2
        assert seen[0] is not seen[1]
        assert closed == seen  # in the order in which they were mapped (pipeline R-04)


class TestFactories:
    def test_pipeline_r01_one_factory_serves_all(self) -> None:
        class Factory(Counting):
            made = 0

            def get(self, context: Context) -> object:
                return lambda context: "made"

        async def journey() -> None:
            async with site_of(route("/", factory="x:F"), objects={"x:F": Factory}) as client:
                answers = await asyncio.gather(*[client.get("/") for _ in range(4)])
                assert [answer.text for answer in answers] == ["made"] * 4

        run(journey)
        assert Factory.made == 1

    def test_they_may_be_asynchronous(self) -> None:
        released: list[object] = []

        class Factory:
            async def get(self, context: Context) -> object:
                await asyncio.sleep(0)
                return Counting()

            async def release(self, handler: object) -> None:
                await asyncio.sleep(0)
                released.append(handler)

        client = site_of(route("/", factory="x:F"), objects={"x:F": Factory})
        assert ask(client, "GET", "/").text == "Counting"
        assert [type(each) for each in released] == [Counting]

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (FileNotFoundError(2, "no such file", "/secret/place"), 404),
            (NotADirectoryError(20, "not a directory", "/secret/place"), 404),
            (OSError(errno.ENAMETOOLONG, "too long", "/secret/place"), 414),
        ],
    )
    def test_pipeline_h07_what_the_factory_does_not_find(self, error: OSError, status: int) -> None:
        class Factory:
            def get(self, context: Context) -> object:
                raise error

        answer = ask(site_of(route("/", factory="x:F"), objects={"x:F": Factory}), "GET", "/")
        assert answer.status == status
        assert "secret" not in answer.text

    def test_pipeline_r04_releases_come_behind_end_in_order_of_mapping_also_on_error(self) -> None:
        log: list[str] = []

        class Factory:
            def get(self, context: Context) -> object:
                return self.go_on

            def go_on(self, context: Context) -> None:
                log.append(f"handle {context.request.path}")
                if context.request.path != "/a":
                    raise ValueError("meant to fail")
                context.redispatch("/b")

            def release(self, handler: object) -> None:
                log.append("release")
                if log.count("release") == 1:
                    raise RuntimeError("meant to fail as well")

        modules = (on(Stage.END, lambda context: log.append("end")),)
        client = site_of(route("/{name}", factory="x:F"), objects={"x:F": Factory}, modules=modules)
        assert ask(client, "GET", "/a").status == 500
        assert log == ["handle /a", "handle /b", "end", "release", "release"]

    def test_what_is_no_handler_is_a_bug_of_the_factory(self) -> None:
        factory = type("F", (), {"get": lambda self, context: 7})
        assert ask(site_of(route("/", factory="x:F"), objects={"x:F": factory}), "GET", "/").status == 500


class TestPreload:
    @pytest.mark.parametrize("keys", [{"threads": 1}, {"preload": True}])
    def test_pipeline_h12_plain_functions_read_the_body_at_once(self, keys: dict[str, Any]) -> None:
        def total(request: Request) -> str:
            return f"{len(request.read())} {request.read()[:3].decode()}"

        client = site_of(route("/", function="x:F", methods=("POST",), **keys), objects={"x:F": total})
        assert ask(client, "POST", "/", body=b"abc" * 1000).text == "3000 abc"

    def test_pipeline_h12_no_thread_is_held_while_a_body_is_slow(self) -> None:
        async def journey() -> None:
            go = asyncio.Event()

            async def slow() -> AsyncIterator[bytes]:
                yield b"a" * 5000
                await go.wait()
                yield b"b" * 5000

            def length(request: Request) -> str:
                return str(len(request.read()))

            post = route("/", function="x:F", methods=("POST",), threads=1)
            async with site_of(post, objects={"x:F": length}) as client:
                waiting = client.open("POST", "/", body=slow())
                assert (await client.post("/", b"quick")).text == "5"
                go.set()
                await waiting.wait_finished()
                assert b"".join(waiting.pieces) == b"10000"

        run(journey)

    def test_pipeline_h12_a_body_beyond_the_limit_never_comes_to_the_function(self) -> None:
        called: list[int] = []
        client = site_of(
            route("/", function="x:F", methods=("POST",), threads=1),
            objects={"x:F": lambda: called.append(1)},
            locations=(LocationSettings(at="/", limits=LocationLimitSettings(body=10)),),
        )
        assert ask(client, "POST", "/", body=b"a" * 11).status == 413
        assert called == []

    def test_a_body_that_was_not_preloaded_cannot_be_read_at_once(self) -> None:
        client = site_of(route("/", function="x:F", methods=("POST",)), objects={"x:F": lambda request: request.read()})
        assert ask(client, "POST", "/", body=b"abc").status == 500


class TestClientsThatLeave:
    @pytest.mark.parametrize("is_cancelled", [True, False])
    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_t04_cancel_only_those_who_ask_for_it(self, is_cancelled: bool, loop: str) -> None:
        log: list[str] = []

        async def journey() -> None:
            begun, go = asyncio.Event(), asyncio.Event()

            async def wait() -> None:
                begun.set()
                try:
                    await go.wait()
                    log.append("ended")
                except asyncio.CancelledError:
                    log.append("cancelled")
                    raise

            routes = route("/", function="x:F", cancel_on_disconnect=is_cancelled)
            modules = (on(Stage.END, lambda context: log.append("END")),)
            async with site_of(routes, objects={"x:F": wait}, modules=modules) as client:
                request = client.open("GET", "/")
                await begun.wait()
                request.disconnect()
                await settle()
                go.set()
                await settle()
                assert client.runtime.statistics().disconnected == 1

        run(journey, loop)
        assert log == ["cancelled" if is_cancelled else "ended", "END"]


class TestDeadlines:
    def test_pipeline_t03_a_stuck_function_is_answered_for_and_another_thread_takes_its_place(self) -> None:
        go = Event()
        names: list[str] = []

        def stuck() -> str:
            names.append(current_thread().name)
            go.wait()
            return "too late"

        def quick() -> str:
            return stuck() if not names else current_thread().name

        async def journey() -> None:
            limits = LimitSettings(deadline=0.05)
            async with site_of(route("/", function="x:F", threads=1), objects={"x:F": quick}, limits=limits) as client:
                late = await client.get("/")
                assert late.status == 504
                assert len(client.runtime.stuck.threads) == 1
                (thread,) = client.runtime.stuck.threads
                assert (await client.get("/")).text == "penstock-function-2"
                go.set()
                await asyncio.get_running_loop().run_in_executor(None, thread.join)
                assert (await client.get("/")).text == "penstock-function-2"
                assert not client.runtime.stuck.threads

        try:
            run(journey)
        finally:
            go.set()
        assert names == ["penstock-function-1"]

    def test_pipeline_t03_a_location_says_how_long(self) -> None:
        async def for_ever() -> None:
            await asyncio.Event().wait()

        client = site_of(
            route("/", function="x:F"),
            objects={"x:F": for_ever},
            locations=(LocationSettings(at="/", limits=LocationLimitSettings(deadline=0.05)),),
        )
        assert ask(client, "GET", "/").status == 504
