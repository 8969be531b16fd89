"""What an object holds of requests: now, and for ever."""

from typing import Any

from penstock import Context, Stage
from penstock.testing.kept_state import kept_for_ever, kept_now
from tests.pipeline.subject import ask, on, open_site


class Keeper:
    """A module that has an attribute, and a slot."""

    __slots__ = ("__dict__", "slot")


def a_context() -> Context:
    kept: list[Context] = []
    ask(open_site(on(Stage.BEGIN, kept.append)))
    return kept[0]


class TestNow:
    def test_objects_and_texts_of_a_request_are_named_with_their_attribute(self) -> None:
        keeper: Any = Keeper()
        keeper.slot = a_context()
        keeper.user = "Bearer mark-one"
        keeper.raw = b"id=mark-one"
        keeper.other = "mark-two"
        assert sorted(kept_now(keeper, "mark-one")) == [
            "'Bearer mark-one', which belongs to a request, in self.user",
            "'id=mark-one', which belongs to a request, in self.raw",
            "the Context of a request in self.slot",
        ]

    def test_a_collection_of_those_inside_is_allowed(self) -> None:
        keeper: Any = Keeper()
        keeper.inside = {a_context()}
        assert kept_now(keeper, "mark-one") == []


class TestForEver:
    def test_what_is_held_however_deep_is_named_once(self) -> None:
        keeper: Any = Keeper()
        context = a_context()
        keeper.seen = {"all": [(context, context)], "more": {1: [context]}}
        assert kept_for_ever(keeper) == ["the Context of a request that has left, below self.seen"]

    def test_what_holds_itself_ends(self) -> None:
        keeper: Any = Keeper()
        keeper.itself = [keeper]
        keeper.itself.append(keeper.itself)
        assert kept_for_ever(keeper) == []

    def test_texts_are_not_looked_into(self) -> None:
        keeper: Any = Keeper()
        keeper.log = ["mark-one"] * 3
        assert kept_for_ever(keeper) == []
