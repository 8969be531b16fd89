"""Which of several sites a host name leads to; the journeys through a runtime are in test_runtime.py."""

import pytest

from penstock.intake.host_names import match_host
from tests.intake.subject import FakeSite


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("a.example", (0, "A.example")),
        ("b.example", (1, "*.example")),
        ("x.y.example", (1, "*.example")),
        ("example", (2, "*")),
        ("elsewhere", (2, "*")),
        ("", (2, "*")),
    ],
)
def test_exact_then_the_longest_wildcard_then_the_star(host: str, found: tuple[int, str]) -> None:
    sites = [FakeSite(["A.example"]), FakeSite(["*.example"]), FakeSite(["*"])]
    assert match_host(sites, host) == (sites[found[0]], found[1])


def test_nobody_answers_for_a_stranger() -> None:
    assert match_host([FakeSite(["a.example"])], "b.example") is None
