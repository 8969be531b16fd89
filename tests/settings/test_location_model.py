"""This file is the test of what a location says where nothing was said: nothing, so that its parents are asked."""

import msgspec
import pytest
from msgspec.structs import asdict

from penstock.settings import ErrorSettings, FilteringSettings, LocationLimitSettings, LocationSettings, Settings


def test_pipeline_l01_nothing_is_refined_and_nothing_is_filtered_by_default() -> None:
    assert set(asdict(LocationLimitSettings()).values()) == {None}
    assert set(asdict(FilteringSettings()).values()) == {None}
    location = LocationSettings(at="/")
    assert (location.limits, location.filtering) == (LocationLimitSettings(), FilteringSettings())
    assert (location.access_log, location.access, location.error_format) == (None, None, None)
    assert (location.headers, location.modules, location.errors) == ({}, (), ())


def test_an_error_page_is_for_a_status_at_least() -> None:
    assert ErrorSettings(status=(404,)).file is None
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"status": [], "file": "a.html"}, ErrorSettings)


@pytest.mark.parametrize(
    "location",
    [
        {"limits": {"body": 0}},
        {"limits": {"deadline": -1.0}},
        {"limits": {"form_fields": 0}},
        {"limits": {"headers": 5}},
        {"filtering": {"path": -1}},
        {"filtering": {"verbs": ["GET"]}},
        {"access": ["write"]},
        {"error_format": "xml"},
        {"errors": [{"status": [99], "path": "/"}]},
    ],
)
def test_what_cannot_be_said_of_a_location_is_refused(location: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError, match=next(iter(location))):
        msgspec.convert({"site": [{"location": [{"at": "/", **location}]}]}, Settings)
