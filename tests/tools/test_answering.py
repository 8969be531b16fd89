"""What `explain` says must be what happens: it is held against the sites that are composed from the same settings."""

import pytest

from penstock.server import build
from penstock.settings import AppSettings, RouteSettings, ServerSettings, Settings, SiteSettings
from penstock.tools.answering import answer_to

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
    site = SITE if has_root_mount else SiteSettings(hosts=SITE.hosts, routes=SITE.routes, apps=SITE.apps[1:])
    settings = Settings(server=ServerSettings(app_dirs=()), sites=(site,))
    (composed,) = build(settings, objects=Anything()).sites  # type: ignore[arg-type]
    plan, values = composed.find_plan(method, path)
    answer = answer_to(site, path, method=method)
    told = answer.what.replace(" application", "").partition(" (")[0]
    assert {"405": "method not allowed", "404": "nothing"}.get(told, told) == plan.target.name
    assert [text for name, text in answer.details if name == "with"] == [
        f"{n} = {v!r}" for n, v in (values or {}).items()
    ]
