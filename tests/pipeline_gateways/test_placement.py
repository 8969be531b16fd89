"""Where items are placed, as a function of their list (middleware R-IP-04, R-SG-20)."""

from penstock import Stage
from penstock.pipeline_gateways.chain import BRANCH, MARKER, Item
from penstock.pipeline_gateways.placement import placed, warnings_of


def items(text: str) -> list[Item]:
    """Letters are items, digits are markers of that stage."""
    return [Item(MARKER, each, stage=Stage(int(each))) if each.isdigit() else Item(BRANCH, each) for each in text]


def test_middleware_r_ip_04_the_earliest_marker_behind_it() -> None:
    assert [(item.name, stage.value) for item, stage in placed(items("a3b1c5d"))] == [
        ("a", 1),
        ("b", 1),
        ("c", 5),
        ("d", 6),
    ]


def test_middleware_r_sg_20_a_marker_without_effect_is_told_with_both_names() -> None:
    (told,) = warnings_of(items("a3b1c5d"))
    assert told.startswith("the stage marker MAP_HANDLER has no effect".replace("MAP_HANDLER", "RESOLVE_CACHE"))
    assert "AUTHENTICATE comes behind it" in told
    assert warnings_of(items("a1b1c")) == []
