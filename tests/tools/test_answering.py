"""What `explain` says must be what happens: it is held against the sites that are composed from the same settings."""

import pytest

from penstock.server import build
from penstock.settings import AppSettings, BackendSettings, RouteSettings, ServerSettings, Settings, SiteSettings
from penstock.tools.answering import answer_to, answers_of, app_text, needs_of, threads_text

SITE = SiteSettings(
    hosts=("*",),
    root=".",
    routes=(
        RouteSettings(at="/a/{name}", function="f:by_name"),
        RouteSettings(at="/a/{number:int}", function="f:by_number", methods=("POST",)),
        RouteSettings(at="/a/b", function="f:literal"),
        RouteSettings(at="/a/{rest:path}", function="f:rest", methods=("PUT",)),
        RouteSettings(at="/a/x/{rest:path}.py", status=403),
        RouteSettings(at="/a/x/{rest:path}", function="f:all", methods=("*",)),
    ),
    apps=(
        AppSettings(at="/", asgi="f:root"),
        AppSettings(at="/a", wsgi="f:a"),
        AppSettings(at="/a/b/c", wsgi="f:abc", threads=0),
    ),
    proxies=(BackendSettings(at="/a/b/c/d", to=("http://127.0.0.1:9000",), strip_prefix=True),),
)


def called(**values: object) -> str:
    return "called"


class Anything:
    """An object for every name."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> object:
        return called


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/", "/a", "/a/", "/a/b", "/a/b/c", "/a/b/cd", "/a/7", "/a/x/y", "/ab", "/b", "/a/b/c/d", "/a/x/y.py"]
)
@pytest.mark.parametrize("has_root_mount", [True, False])
def test_explain_says_what_happens(method: str, path: str, has_root_mount: bool) -> None:
    site = (
        SITE
        if has_root_mount
        else SiteSettings(hosts=SITE.hosts, routes=SITE.routes, apps=SITE.apps[1:], proxies=SITE.proxies)
    )
    settings = Settings(server=ServerSettings(app_dirs=()), sites=(site,))
    (composed,) = build(settings, objects=Anything()).sites  # type: ignore[arg-type]
    plan, values = composed.find_plan(method, path)
    answer = answer_to(site, path, method=method)
    told = answer.what.replace(" application", "").partition(" (")[0]
    assert {"405": "method not allowed", "404": "nothing"}.get(told, told) == plan.target.name
    assert [text for name, text in answer.details if name == "with"] == [
        f"{n} = {v!r}" for n, v in (values or {}).items()
    ]


def test_what_a_proxy_is_asked_for() -> None:
    site = SiteSettings(proxies=SITE.proxies)
    assert answer_to(site, "/a/b/c/d/e", method="GET").details == (("asks for", "/e"),)
    assert answer_to(site, "/a/b/c/d", method="GET").details == (("asks for", "/"),)
    assert ("/a/b/c/d", "proxy to http://127.0.0.1:9000") in answers_of(SITE)


def test_pipeline_h09_what_right_an_answer_needs() -> None:
    assert [needs_of(answer_to(SITE, path, method="GET")) for path in ("/a/7", "/b")] == ["script", "script"]
    assert needs_of(answer_to(SiteSettings(root="."), "/b", method="GET")) == "read"
    assert needs_of(answer_to(SiteSettings(), "/b", method="GET")) == ""
    assert needs_of(answer_to(SiteSettings(routes=SITE.routes[1:2]), "/a/7", method="GET")) == ""


def test_what_is_not_as_usual_is_told_of_a_route() -> None:
    route = RouteSettings(at="/", handler="f:H", threads=2, allow_anonymous=True, lifetime="per_request")
    assert dict(answer_to(SiteSettings(routes=(route,)), "/", method="GET").details) == {
        "runs": "in 2 threads",
        "lifetime": "the handler is made for each request",
        "preload": "the body is read before it is called",
        "allows": "everybody, whatever authorization says (allow_anonymous)",
    }


def test_a_websocket_says_which_sub_protocols_it_speaks() -> None:
    route = RouteSettings(at="/prices", websocket="f:prices", subprotocols=("v2", "v1"))
    answer = answer_to(SiteSettings(routes=(route,)), "/prices", method="GET")
    assert (answer.what, needs_of(answer)) == ("websocket f:prices", "script")
    assert dict(answer.details) == {"runs": "on the event loop", "speaks": "v2, v1: the first that the client offers"}
    assert answer_to(SiteSettings(routes=(route,)), "/prices", method="POST").what == "405"


def test_an_application_is_told_where_it_is_mounted() -> None:
    told = [
        dict(answer_to(SiteSettings(apps=(app,)), "/a/b", method="GET").details)["is told"]
        for app in (
            AppSettings(at="/a", asgi="f:a", root_path="/shop"),
            AppSettings(at="/a", wsgi="f:a", root_path="/shop"),
            AppSettings(at="/a", owin="f:a"),
            AppSettings(at="/a", app="f:a"),
        )
    ]
    assert told == [
        "root_path '/shop/a', path '/shop/a/b'",
        "SCRIPT_NAME '/shop/a', PATH_INFO '/b'",
        "owin.RequestPathBase '/a', owin.RequestPath '/b'",
        "that it is mounted at '/a'",
    ]


def test_applications_and_threads_in_words() -> None:
    assert [threads_text(count) for count in (0, 1, 4)] == ["on the loop", "1 thread", "4 threads"]
    assert app_text(AppSettings(at="/", wsgi="f:a", threads=1)) == "WSGI application f:a (1 thread)"
    assert app_text(AppSettings(at="/", app="f:a")) == "application f:a"
    assert app_text(AppSettings(at="/", owin="f:a")) == "OWIN application f:a"


def test_a_pool_is_told() -> None:
    for kind in ("asgi", "wsgi", "owin", "app"):
        app = AppSettings(at="/", pool="reports", **{kind: "f:a"})  # type: ignore[arg-type]
        assert app_text(app).endswith("application f:a in the pool reports")
    answer = answer_to(SiteSettings(apps=(app,)), "/", method="GET")
    assert ("runs", "in processes of its own, those of the pool reports") in answer.details


def test_everything_that_answers_in_a_list() -> None:
    site = SiteSettings(root="files", routes=SITE.routes[:1], apps=SITE.apps[:1])
    assert list(answers_of(site)) == [
        ("/a/{name}", "function f:by_name"),
        ("/", "ASGI application f:root"),
        ("/", "files of files"),
    ]
