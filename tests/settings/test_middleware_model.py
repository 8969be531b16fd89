"""This file is the test of the key `middleware`: what it takes, what it refuses, and how locations add to it."""

from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.pipeline.stages import Stage
from penstock.settings import LocationSettings, MiddlewareSettings, SiteSettings
from penstock.settings.check import references_of
from penstock.settings.forms import STAGES
from penstock.settings.loader import draft_of, load
from penstock.settings.locations import effective

SITE = """\
[[site]]
middleware = [
    { use = "shop.asgi:Outer", stage = "Authenticate", settings = { level = 3 } },
]

[[site.location]]
at = "/a"
middleware = [{ use = "shop.asgi:Inner", name = "inner", relay_errors = true }]

[[site.location]]
at = "/a/b"
middleware = [{ use = "shop.asgi:Innermost" }]
"""


def file_of(text: str, folder: Path) -> Path:
    file = folder / "penstock.toml"
    file.write_text(text)
    return file


def refusal(text: str, folder: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(file_of(text, folder), {})
    (problem,) = caught.value.problems
    return f"{problem.where.rpartition(':')[2]}: {problem.message}"


def test_middleware_r_ip_01_without_a_stage_it_is_right_in_front_of_the_handler() -> None:
    each = MiddlewareSettings(use="a:B")
    assert (each.stage, each.name, each.settings, each.relay_errors) == ("pre_execute", "", {}, False)


def test_the_stages_are_those_of_the_pipeline_up_to_the_handler() -> None:
    assert tuple(stage.name.lower() for stage in Stage if stage < Stage.EXECUTE) == STAGES


def test_it_is_read(tmp_path: Path) -> None:
    site = load(file_of(SITE, tmp_path), {}).sites[0]
    assert site.middleware == (MiddlewareSettings(use="shop.asgi:Outer", stage="Authenticate", settings={"level": 3}),)
    assert site.locations[0].middleware[0].relay_errors


def test_locations_add_to_it(tmp_path: Path) -> None:
    site = load(file_of(SITE, tmp_path), {}).sites[0]
    assert [each.use for each in effective(site, "/a/b/c").middleware] == ["shop.asgi:Inner", "shop.asgi:Innermost"]
    assert effective(site, "/b").middleware == ()
    assert effective(SiteSettings(locations=(LocationSettings(at="/"),)), "/").middleware == ()


def test_what_it_refers_to_is_checked(tmp_path: Path) -> None:
    assert [reference for _, reference in references_of(draft_of(file_of(SITE, tmp_path), {}).tree)] == [
        "shop.asgi:Outer",
        "shop.asgi:Inner",
        "shop.asgi:Innermost",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[site]]\nmiddleware = [{ use = "a:B", stage = "excute" }]', '2: stage: "excute" is no stage for middleware'),
        ('[[site]]\nmiddleware = [{ use = "a:B", stage = "log" }]', "2: stage: "),
        ('[[site]]\nmiddleware = [{ stage = "begin" }]', '2: [[site.middleware]] needs "use"'),
        ('[[site]]\nmiddleware = ["a:B"]', "2: an element of middleware must be a table, not a string"),
        ('[[site]]\nmiddleware = [{ use = "a.B" }]', '2: use: "a.B" names no attribute'),
        ('[[site]]\nmiddleware = [{ use = "a:B", order = 1 }]', '2: [[site.middleware]] does not know "order"'),
        ('[[site]]\nmiddleware = [{ use = "a:B", relay_errors = 1 }]', "2: relay_errors must be true or false"),
        (
            '[[site]]\n[[site.location]]\nat = "/a"\nmiddleware = [{ use = "a:B", stage = "BEGIN" }]',
            "4: the location is found behind BEGIN: name it in [[site.middleware]]",
        ),
    ],
)
def test_what_is_wrong_is_told(text: str, told: str, tmp_path: Path) -> None:
    assert refusal(text, tmp_path).startswith(told)


def test_middleware_r_sg_20_an_unknown_stage_is_an_error_that_lists_them(tmp_path: Path) -> None:
    text = '[[site]]\nmiddleware = [{ use = "a:B", stage = "authenticate_request" }]'
    assert refusal(text, tmp_path).endswith(
        'did you mean "authenticate"?; these are: begin, authenticate, authorize, resolve_cache, map_handler, '
        "acquire_state, pre_execute"
    )
