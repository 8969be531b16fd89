"""Principal: who asks, as far as it is known (pipeline P-20)."""

from penstock import Principal
from penstock.pipeline.principal import ANONYMOUS


def test_pipeline_p20_who_has_a_name_is_authenticated() -> None:
    ada = Principal("ada", roles=frozenset({"editor"}))
    assert (ada.name, ada.roles, ada.is_authenticated) == ("ada", frozenset({"editor"}), True)
    assert Principal("ada").roles == frozenset()


def test_pipeline_p20_nobody_is_anonymous() -> None:
    assert (ANONYMOUS.name, ANONYMOUS.roles, ANONYMOUS.is_authenticated) == ("", frozenset(), False)
