"""Branches of a chain: Katana's catalogue of map and map_when (middleware section 3, MP-T01 to MP-T08)."""

from typing import Any

import pytest

from penstock import Builder
from penstock.pipeline_gateways.branches import judge_prefix
from tests.pipeline.subject import run
from tests.pipeline_gateways.chain_subject import Marking, answering, ask_app, asked, scope_of, shaken, wsgi_page


async def showing_paths(scope: Any, receive: Any, send: Any) -> None:
    text = f"{scope['root_path']}|{scope['path']}|{scope['raw_path'].decode()}"
    await answering(text.encode())(scope, receive, send)


class Remembering:
    """Middleware that sees the scope before and behind what it wraps."""

    seen: tuple[Any, ...] = ()

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        before = dict(scope)
        try:
            await self.app(scope, receive, send)
        finally:
            type(self).seen = (before["path"], before["root_path"], scope["path"], scope["root_path"])


class TestMap:
    @pytest.mark.parametrize(
        ("path", "kind"), [(None, TypeError), ("/", ValueError), ("/foo/", ValueError), ("/foo/cho/", ValueError)]
    )
    def test_middleware_mp_t01_a_prefix_is_judged(self, path: Any, kind: type[Exception]) -> None:
        builder = Builder()
        with pytest.raises(kind):
            builder.map(path, lambda branch: None)
        assert builder.items == []

    def test_middleware_mp_t01_there_is_something_to_configure(self) -> None:
        with pytest.raises(TypeError, match="neither an application nor a function"):
            Builder().map("/foo", None)
        with pytest.raises(ValueError, match="begins with a slash"):
            judge_prefix("foo")

    @pytest.mark.parametrize(
        ("prefix", "root", "path", "shown"),
        [
            ("/foo", "", "/foo", "/foo|/foo|/foo"),
            ("/foo", "", "/foo/", "/foo|/foo/|/foo/"),
            ("/foo", "/Bar", "/Bar/foo/cho/", "/Bar/foo|/Bar/foo/cho/|/Bar/foo/cho/"),
            ("/foo", "", "/FOO/x", "/foo|/foo/x|/foo/x"),
            ("/foo/cho", "", "/foo/cho/do", "/foo/cho|/foo/cho/do|/foo/cho/do"),
        ],
    )
    def test_middleware_mp_t02_the_branch_is_taken(self, prefix: str, root: str, path: str, shown: str) -> None:
        app = Builder().use(Remembering).map(prefix, showing_paths).run(answering(b"outside")).build()
        assert asked(app, path, root_path=root).body.decode() == shown
        assert Remembering.seen == (path, root, path, root)

    @pytest.mark.parametrize("path", ["/", "/foobar", "/bar/foo", "/fo", "", "/foo%2f"])
    def test_middleware_mp_t03_or_not(self, path: str) -> None:
        app = Builder().map("/foo", showing_paths).run(answering(b"outside")).build()
        assert asked(app, path).body == b"outside"

    def test_middleware_r_mp_04_also_behind_an_error_nothing_has_changed(self) -> None:
        async def failing(scope: Any, receive: Any, send: Any) -> None:
            raise KeyError

        with pytest.raises(KeyError):
            asked(Builder().use(Remembering).map("/foo", failing).build(), "/foo/x")
        assert Remembering.seen == ("/foo/x", "", "/foo/x", "")

    def test_middleware_mp_t05_branches_within_branches(self) -> None:
        def route1(branch: Builder) -> None:
            branch.map("/subroute1", answering(b"inner")).run(answering(b"own"))

        builder = Builder().map("/route1", route1).map("/route2/subroute2", answering(b"two"))
        app = builder.build()
        found = [asked(app, path) for path in ("/route1/subroute1", "/route1", "/route2", "/route2/subroute2")]
        assert [(each.status, each.body) for each in found] == [
            (200, b"inner"),
            (200, b"own"),
            (404, b"404 Not Found\n"),
            (200, b"two"),
        ]

    def test_middleware_r_mp_05_the_end_of_a_branch_never_leads_back(self) -> None:
        app = Builder().map("/a", lambda branch: branch.use(Marking, "x")).run(answering(b"outside")).build()
        assert (asked(app, "/a").status, asked(app, "/b").body) == (404, b"outside")

    @pytest.mark.parametrize(("first", "second", "found"), [("/a/b", "/a", b"/a/b"), ("/a", "/a/b", b"/a")])
    def test_middleware_mp_t08_the_first_that_fits_is_taken(self, first: str, second: str, found: bytes) -> None:
        builder = Builder().map(first, answering(first.encode())).map(second, answering(second.encode()))
        assert asked(builder.build(), "/a/b").body == found

    def test_a_branch_may_be_a_wsgi_application(self) -> None:
        answer = asked(Builder().map("/shop", wsgi_page).build(), "/shop/cart")
        assert (answer.headers["x-script"], answer.headers["x-path"]) == ("/shop", "/cart")

    def test_a_branch_may_be_a_builder(self) -> None:
        branch = Builder().use(Marking, "m").run(answering(b"branch"))
        assert asked(Builder().map("/a", branch).build(), "/a").body == b"branch"

    def test_websockets_take_branches(self) -> None:
        async def socket(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept", "subprotocol": scope["root_path"]})

        assert shaken(Builder().map("/ws", socket).build(), "/ws/a").sent[0]["subprotocol"] == "/ws"


class TestMapWhen:
    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize("is_true", [False, True])
    def test_middleware_mp_t06_a_predicate_decides(self, is_async: bool, is_true: bool) -> None:
        calls: list[str] = []

        def plain(scope: Any) -> bool:
            calls.append(scope["path"])
            return is_true

        async def waiting(scope: Any) -> bool:
            return plain(scope)

        app = Builder().map_when(waiting if is_async else plain, showing_paths).run(answering(b"next")).build()
        assert asked(app, "/x").body == (b"|/x|/x" if is_true else b"next")
        assert calls == ["/x"]

    def test_middleware_mp_t07_predicates_within_predicates(self) -> None:
        def inner(branch: Builder) -> None:
            branch.map_when(lambda scope: "b" in scope["path"], answering(b"ab")).run(answering(b"a"))

        app = Builder().map_when(lambda scope: "a" in scope["path"], inner).run(answering(b"none")).build()
        assert [asked(app, path).body for path in ("/ab", "/a", "/b")] == [b"ab", b"a", b"none"]

    def test_middleware_r_mp_08_an_error_in_it_is_an_error_of_the_request(self) -> None:
        def predicate(scope: Any) -> bool:
            raise KeyError("meant")

        with pytest.raises(KeyError, match="meant"):
            asked(Builder().map_when(predicate, answering(b"")).build())

    def test_a_predicate_can_be_called(self) -> None:
        with pytest.raises(TypeError, match="map_when"):
            Builder().map_when(None, answering(b""))  # type: ignore[arg-type]


class TestLifespan:
    def test_middleware_15_9_a_branch_starts_first_and_stops_last(self) -> None:
        log: list[str] = []

        def living(name: str) -> Any:
            async def application(scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] != "lifespan":
                    await answering(str(scope.get("state")).encode())(scope, receive, send)
                    return
                scope["state"][name] = name
                while True:
                    message = await receive()
                    log.append(f"{name} {message['type'].rpartition('.')[2]}")
                    await send({"type": message["type"] + ".complete"})
                    if message["type"] == "lifespan.shutdown":
                        return

            return application

        app = Builder().map("/a", living("branch")).run(living("main")).build()

        async def journey() -> bytes:
            messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
            await ask_app(app, {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, messages)
            return (await ask_app(app, scope_of("/a"))).body

        assert run(journey) == b"{'branch': 'branch'}"
        assert log == ["branch startup", "main startup", "main shutdown", "branch shutdown"]
