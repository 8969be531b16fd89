"""This file is the test of inheritance by location."""

import pytest

from penstock.settings import (
    ErrorSettings,
    FilteringSettings,
    LocationLimitSettings,
    LocationSettings,
    ModuleSettings,
    SiteSettings,
    TraceSettings,
    WebSocketSettings,
)
from penstock.settings.locations import covers, effective, find_trace_rule, locations_of

AUDIT = ModuleSettings(use="shop.modules:Audit")
GREETING = ModuleSettings(use="shop.modules:Greeting")
SITE = SiteSettings(
    locations=(
        LocationSettings(at="/admin/users", access_log=True, headers={"x-c": "3"}, modules=(GREETING,)),
        LocationSettings(at="/admin-old", access_log=True),
        LocationSettings(at="/", headers={"X-A": "1", "x-b": "1"}, access_log=False),
        LocationSettings(at="/admin", limits=LocationLimitSettings(body=1000), headers={"x-a": "2"}, modules=(AUDIT,)),
    )
)


NOT_FOUND = ErrorSettings(status=(404,), file="404.html")
OOPS = ErrorSettings(status=("5xx",), path="/oops")
REFINED = SiteSettings(
    locations=(
        LocationSettings(
            at="/",
            limits=LocationLimitSettings(deadline=60.0, form_fields=5),
            filtering=FilteringSettings(path=260, extensions=(".py",)),
            error_format="json",
            errors=(OOPS,),
            websockets=WebSocketSettings(origins=("https://a.example",), max_message=1000, compression=True),
        ),
        LocationSettings(
            at="/a",
            limits=LocationLimitSettings(deadline=0.0, form_memory=10),
            access=("read",),
            filtering=FilteringSettings(extensions=(), double_escaped=True),
            errors=(NOT_FOUND,),
            websockets=WebSocketSettings(max_message=2000, compression=False, keep_alive=0.0),
        ),
        LocationSettings(at="/a/b", access=(), error_format="html"),
    )
)


class TestCovers:
    @pytest.mark.parametrize(
        ("prefix", "path", "expected"),
        [
            ("/admin", "/admin", True),
            ("/admin", "/admin/", True),
            ("/admin", "/admin/x", True),
            ("/admin", "/administrator", False),
            ("/admin", "/Admin", False),
            ("/admin", "/", False),
            ("/", "/", True),
            ("/", "/anything", True),
        ],
    )
    def test_whole_segments(self, prefix: str, path: str, expected: bool) -> None:
        assert covers(prefix, path) is expected


class TestLocationsOf:
    def test_parents_come_before_children(self) -> None:
        assert [location.at for location in locations_of(SITE)] == ["/", "/admin", "/admin/users", "/admin-old"]


class TestEffective:
    def test_children_inherit_and_refine(self) -> None:
        rules = effective(SITE, "/admin/users/7")
        assert rules.body == 1000
        assert rules.access_log is True
        assert rules.headers == {"x-a": "2", "x-b": "1", "x-c": "3"}
        assert rules.modules == (AUDIT, GREETING)
        assert [location.at for location in rules.locations] == ["/", "/admin", "/admin/users"]

    def test_limits_are_refined_one_by_one(self) -> None:
        rules = effective(REFINED, "/a/x")
        assert (rules.body, rules.deadline, rules.form_fields, rules.form_memory) == (None, 0.0, 5, 10)

    def test_filtering_is_put_together_key_by_key(self) -> None:
        assert effective(REFINED, "/a").filtering == FilteringSettings(path=260, extensions=(), double_escaped=True)

    def test_websockets_are_put_together_key_by_key(self) -> None:
        assert effective(REFINED, "/a/b").websockets == WebSocketSettings(
            origins=("https://a.example",), max_message=2000, compression=False, keep_alive=0.0
        )

    def test_errors_of_the_nearest_location_come_first(self) -> None:
        assert effective(REFINED, "/a/b").errors == (NOT_FOUND, OOPS)

    def test_access_and_format_of_a_child_stand_in_place_of_the_parents(self) -> None:
        assert [effective(REFINED, at).access for at in ("/", "/a", "/a/b")] == [None, ("read",), ()]
        assert [effective(REFINED, at).error_format for at in ("/", "/a", "/a/b")] == ["json", "json", "html"]

    def test_a_longer_name_is_not_below(self) -> None:
        rules = effective(SITE, "/administrator")
        assert (rules.body, rules.access_log, rules.modules) == (None, False, ())

    def test_nothing_is_said_where_there_is_no_location(self) -> None:
        rules = effective(SiteSettings(), "/x")
        assert (rules.body, rules.access_log, rules.modules, dict(rules.headers)) == (None, None, (), {})


@pytest.mark.parametrize(
    ("at", "found"), [("/", None), ("/api", 0), ("/api/v2x", 0), ("/api/v2", 1), ("/api/v2/users", 1)]
)
def test_the_trace_rule_with_the_longest_path_holds(at: str, found: int | None) -> None:
    rules = (TraceSettings(at="/api"), TraceSettings(at="/api/v2"))
    assert find_trace_rule(SiteSettings(traces=rules), at) is (None if found is None else rules[found])
