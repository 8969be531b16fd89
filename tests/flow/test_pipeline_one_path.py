"""Routes, mounts, rules of locations, modules, applications and files see one path, however it is spelled (bad-input row 82)."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from penstock import Context, Hooks, HTTPError, Stage
from penstock.server import open_client
from penstock.settings import (
    AppSettings,
    LocationSettings,
    LogSettings,
    ModuleSettings,
    RouteSettings,
    ServerSettings,
    SiteSettings,
)
from penstock.testing import Client, ClientResponse
from tests.pipeline.subject import ask

# What is asked for, the one path it is, and whether the rules of /admin hold for it.
SPELLINGS = [
    ("/admin", "/admin", True),
    ("/admin/", "/admin/", True),
    ("/admin%2f", "/admin/", True),
    ("/admin%2F", "/admin/", True),
    ("/%61dmin", "/admin", True),
    ("/%61%64%6D%69%6e/x", "/admin/x", True),
    ("//admin", "//admin", True),
    ("///admin//x", "///admin//x", True),
    ("/%2fadmin", "//admin", True),
    ("/.//admin", "//admin", True),
    ("/a/./b", "/a/b", False),
    ("/./admin", "/admin", True),
    ("/admin/.", "/admin/", True),
    ("/admin/%2e", "/admin/", True),
    ("/a/../admin", "/admin", True),
    ("/a/%2e%2e/admin", "/admin", True),
    ("/a/.%2E/admin", "/admin", True),
    ("/a%2f..%2fadmin", "/admin", True),
    ("/a/b//../../admin", "/a/admin", False),
    ("/admin/../a", "/a", False),
    ("/admin%2f..%2fa", "/a", False),
    ("/admin/x/..", "/admin/", True),
    ("/admin;p=1", "/admin;p=1", False),
    ("/admin;p/x", "/admin;p/x", False),
    ("/admin/x;p", "/admin/x;p", True),
    ("/ADMIN", "/ADMIN", False),
    ("/Admin/x", "/Admin/x", False),
    ("/%41dmin", "/Admin", False),
    ("/administrator", "/administrator", False),
    ("/admin%252f", "/admin%2f", False),
    ("/admin/%252e%252e/a", "/admin/%2e%2e/a", True),
    ("/%252e%252e/admin", "/%2e%2e/admin", False),
    ("/%2561dmin", "/%61dmin", False),
    ("/admin%5cx", "/admin\\x", False),
    ("/admin\\x", "/admin\\x", False),
    ("/admin.", "/admin.", False),
    ("/admin%20", "/admin ", False),
    ("/%EF%BD%81dmin", "/\uff41dmin", False),
    ("/admin?/../a", "/admin", True),
    ("/a?/../admin", "/a", False),
]
REFUSED = [
    "/..",
    "/../admin",
    "/admin/../../x",
    "/%2e%2e/admin",
    "/..%2fadmin",
    "/admin%00",
    "/admin%",
    "/admin%2",
    "/admin%zz",
    "/%c0%ae%c0%ae/admin",
    "/%c0%afadmin",
    "/%u0061dmin",
    "admin",
    "/admin#x",
]


class Seen:
    """A module that writes down which path it sees, at every stage where a decision is made."""

    def __init__(self, name: str, log: list[tuple[str, str]], *, stages: Iterable[Stage]) -> None:
        self.name = name
        self.log = log
        self.stages = tuple(stages)

    def attach(self, hooks: Hooks) -> None:
        for stage in self.stages:
            hooks.on(stage, self.look)

    def look(self, context: Context) -> None:
        self.log.append((self.name, context.request.path))


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [(environ["SCRIPT_NAME"] + environ["PATH_INFO"]).encode("latin-1")]


def function(context: Context) -> str:
    return context.request.path


def with_rest(context: Context, rest: str) -> str:
    assert context.request.path == f"/{rest}"
    return f"/{rest}"


def open_with(answering: str, log: list[tuple[str, str]]) -> Client:
    everywhere = Seen("site", log, stages=(Stage.BEGIN, Stage.AUTHENTICATE, Stage.AUTHORIZE, Stage.EXECUTE, Stage.END))
    below = Seen("admin", log, stages=(Stage.AUTHORIZE,))
    objects: dict[str, Any] = {"t:site": everywhere, "t:admin": below, "t:asgi": asgi, "t:wsgi": wsgi}
    objects |= {"t:function": function, "t:rest": with_rest}
    apps: tuple[AppSettings, ...] = ()
    if answering in ("asgi", "wsgi"):
        apps = tuple(AppSettings(at=at, **{answering: f"t:{answering}"}) for at in ("/", "/admin"))  # type: ignore[arg-type]
    routes = (RouteSettings(at="/admin", function="t:function"), RouteSettings(at="/{rest:path}", function="t:rest"))
    site = SiteSettings(
        modules=(ModuleSettings(use="t:site"),),
        apps=apps,
        routes=routes if answering == "route" else (),
        locations=(LocationSettings(at="/admin", modules=(ModuleSettings(use="t:admin"),)),),
    )
    return open_client(site, server=ServerSettings(log=LogSettings(access=False)), objects=objects)


class TestRow82:
    @pytest.mark.parametrize("answering", ["route", "asgi", "wsgi"])
    @pytest.mark.parametrize(("target", "path", "is_ruled"), SPELLINGS)
    def test_everybody_sees_the_same_path(self, target: str, path: str, is_ruled: bool, answering: str) -> None:
        log: list[tuple[str, str]] = []
        answer = ask(open_with(answering, log), target)
        assert (answer.status, answer.text) == (200, path)
        assert {seen for _, seen in log} == {path}
        assert (("admin", path) in log) is is_ruled

    @pytest.mark.parametrize("target", REFUSED)
    def test_what_has_no_path_reaches_nobody(self, target: str) -> None:
        log: list[tuple[str, str]] = []
        with pytest.raises(HTTPError) as caught:
            ask(open_with("route", log), target)
        assert (caught.value.status, log) == (400, [])


class TestFiles:
    def client(self, root: Path) -> Client:
        def refuse(context: Context) -> None:
            raise HTTPError(403)

        class Deny:
            def attach(self, hooks: Hooks) -> None:
                hooks.on(Stage.AUTHORIZE, refuse)

        site = SiteSettings(
            root=str(root), locations=(LocationSettings(at="/admin", modules=(ModuleSettings(use="t:deny"),)),)
        )
        return open_client(site, server=ServerSettings(log=LogSettings(access=False)), objects={"t:deny": Deny()})

    def ask(self, root: Path, target: str) -> ClientResponse:
        return ask(self.client(root), target)

    @pytest.mark.parametrize("spell", [lambda path: path, lambda path: path + "/", lambda path: path + "%2f"])
    @pytest.mark.parametrize(("target", "is_ruled"), [(each[0], each[2]) for each in SPELLINGS if "?" not in each[0]])
    def test_row_82_no_spelling_leads_past_the_rules(
        self, tmp_path: Path, target: str, is_ruled: bool, spell: Callable[[str], str]
    ) -> None:
        (tmp_path / "admin").mkdir()
        (tmp_path / "admin/secret.txt").write_text("secret")
        answer = self.ask(tmp_path, spell(target) + "/secret.txt")
        assert answer.status in (403, 404)
        assert answer.status == 403 or not is_ruled
        assert "secret" not in answer.text

    def test_the_rules_are_what_keeps_it(self, tmp_path: Path) -> None:
        (tmp_path / "admin").mkdir()
        (tmp_path / "admin/secret.txt").write_text("secret")
        (tmp_path / "a.txt").write_text("open")
        assert self.ask(tmp_path, "/admin/secret.txt").status == 403
        assert self.ask(tmp_path, "/admin/../%61.txt").text == "open"
