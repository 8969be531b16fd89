"""What is served where, for people."""

from penstock.server.life import build
from penstock.server.site_lines import only_shape, site_lines
from penstock.server.subjects import settings_of
from penstock.settings import RouteSettings, Settings, SiteSettings


async def application(scope, receive, send):  # type: ignore[no-untyped-def]
    """Never called."""


def test_a_line_for_each_thing_that_answers() -> None:
    routes = (RouteSettings(at="/hello", function="pages:hello"), RouteSettings(at="/by", status=404))
    server = build(Settings(sites=(SiteSettings(routes=routes),)), objects={"pages:hello": lambda: "hello"})
    assert [line.split()[0] for line in site_lines(server.sites)] == ["/hello", "/by"]


def test_host_names_are_said_where_they_tell_sites_apart() -> None:
    server = build(Settings(sites=(SiteSettings(hosts=("a.example",)), SiteSettings(hosts=("b.example", "c.example")))))
    assert list(site_lines(server.sites)) == ["  a.example", "  b.example, c.example"]


def test_the_detected_shape_of_the_only_application() -> None:
    settings, named = settings_of(application, None)
    assert only_shape(build(settings, objects=named).sites) == "ASGI"
