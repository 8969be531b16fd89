"""The one place where the version stands."""

import penstock
from penstock.version import VERSION


def test_the_package_has_the_version_of_the_place_below_it() -> None:
    assert penstock.__version__ == VERSION
