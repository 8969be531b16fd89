"""The rules that hold for a path, each with the location it comes from."""

from penstock.settings import (
    ErrorSettings,
    FilteringSettings,
    LocationLimitSettings,
    LocationSettings,
    LogSettings,
    MiddlewareSettings,
    ModuleSettings,
    ServerSettings,
    Settings,
    SiteSettings,
    TraceSettings,
    WebSocketSettings,
)
from penstock.tools.rule_rows import rule_rows


def rows(site: SiteSettings, at: str, server: ServerSettings | None = None) -> list[tuple[str, str]]:
    return list(rule_rows(Settings(server=server or ServerSettings(), sites=(site,)), site, at))


def test_without_a_location_the_server_s_settings_hold() -> None:
    assert rows(SiteSettings(), "/x") == [
        ("locations", "none: the server's settings hold"),
        ("body", "at most 30000000 bytes ([server.limits])"),
        ("deadline", "110 s to the head of the answer ([server.limits])"),
        ("forms", "at most 1000 fields ([server.limits])"),
        ("forms", "uploads beyond 81920 bytes go to disk ([server.limits])"),
        ("access", "read, script (by default)"),
        ("access log", "yes ([server.log])"),
    ]


def test_the_nearest_location_that_says_something_is_named() -> None:
    site = SiteSettings(
        locations=(
            LocationSettings(at="/a", limits=LocationLimitSettings(body=5, deadline=0.0), access=(), access_log=False),
            LocationSettings(at="/a/b", limits=LocationLimitSettings(form_memory=0), error_format="json"),
            LocationSettings(at="/other", access=("read",)),
        )
    )
    found = rows(site, "/a/b/c")
    assert found == [
        ("locations", "/a > /a/b"),
        ("body", "at most 5 bytes (/a)"),
        ("deadline", "none (/a)"),
        ("forms", "at most 1000 fields ([server.limits])"),
        ("forms", "uploads beyond 0 bytes go to disk (/a/b)"),
        ("access", "nothing (/a)"),
        ("error format", "json (/a/b)"),
        ("access log", "no (/a)"),
    ]


def test_headers_of_the_server_are_told_unless_a_location_has_its_own() -> None:
    server = ServerSettings(headers={"x-one": "1", "x-two": "2"})
    site = SiteSettings(locations=(LocationSettings(at="/a", headers={"X-Two": "a"}),))
    assert [row for row in rows(site, "/a", server) if row[0] == "header"] == [
        ("header", "x-one: 1 ([server])"),
        ("header", "x-two: a (/a)"),
    ]


def test_filtering_and_error_pages_come_with_their_source() -> None:
    site = SiteSettings(
        locations=(
            LocationSettings(
                at="/",
                filtering=FilteringSettings(methods=("GET", "HEAD"), query=100),
                websockets=WebSocketSettings(origins=("https://a.example", "https://b.example"), per_client=9),
                errors=(ErrorSettings(status=(404, "5xx"), file="oops.html"),),
            ),
            LocationSettings(
                at="/a",
                filtering=FilteringSettings(query=5),
                websockets=WebSocketSettings(same_origin=False, per_client=0),
                errors=(ErrorSettings(status=(404,), path="/nf"),),
            ),
        )
    )
    found = rows(site, "/a")
    assert sorted(row for row in found if row[0] == "filtering") == [
        ("filtering", "methods = GET, HEAD (/)"),
        ("filtering", "query = 5 (/a)"),
    ]
    assert [row for row in found if row[0] == "websockets"] == [
        ("websockets", "origins = https://a.example, https://b.example (/)"),
        ("websockets", "same_origin = False (/a)"),
        ("websockets", "per_client = 0 (/a)"),
    ]
    assert [row for row in found if row[0] == "error page"] == [
        ("error page", "404: path /nf (/a)"),
        ("error page", "404, 5xx: file oops.html (/)"),
    ]


def test_middleware_comes_in_the_order_in_which_it_is_entered() -> None:
    site = SiteSettings(
        middleware=(MiddlewareSettings(use="shop:Gzip"), MiddlewareSettings(use="shop:Cors", stage="Authenticate")),
        locations=(
            LocationSettings(
                at="/a", middleware=(MiddlewareSettings(use="shop:Gate", name="gate", stage="authorize"),)
            ),
        ),
    )
    assert [text for name, text in rows(site, "/a") if name == "middleware"] == [
        "1. shop:Cors at AUTHENTICATE (the site)",
        "2. shop:Gate as gate at AUTHORIZE (/a)",
        "3. shop:Gzip at PRE_EXECUTE (the site)",
    ]


def test_modules_come_in_their_order_and_with_their_names() -> None:
    site = SiteSettings(
        modules=(ModuleSettings(use="shop:Gate"), ModuleSettings(use="shop:Gate", name="second")),
        locations=(LocationSettings(at="/a", modules=(ModuleSettings(use="shop:Audit"),)),),
    )
    assert [text for name, text in rows(site, "/a") if name == "module"] == [
        "1. shop:Gate (the site)",
        "2. shop:Gate as second (the site)",
        "3. shop:Audit (/a)",
    ]


def test_the_rule_for_traces_says_where_to() -> None:
    site = SiteSettings(traces=(TraceSettings(at="/a", status=(), slower_than=2.0),))
    server = ServerSettings(log=LogSettings(traces="kept"))
    assert ("trace", "slower than 2 s or aborted (/a), into kept") in rows(site, "/a/b", server)
    assert "trace" not in [name for name, _ in rows(site, "/b", server)]
