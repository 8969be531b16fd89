"""Location: what holds where nothing was said."""

from penstock.pipeline.location import Location


def test_pipeline_l01_without_settings_nothing_is_filtered_and_everything_may_answer() -> None:
    location = Location()
    assert (location.at, location.where, location.headers, location.modules, location.wraps) == ("/", "", (), (), ())
    assert (location.body_limit, location.form_fields, location.form_memory) == (30_000_000, 1000, 81_920)
    assert (location.deadline, location.access_log, location.access) == (0.0, True, ("read", "script"))
    assert (location.error_format, location.error_pages, location.filtering) == ("negotiated", None, None)


def test_what_is_given_as_a_list_cannot_be_changed_later() -> None:
    headers, access = [(b"x-one", b"1")], ["read"]
    location = Location("/a", headers=headers, access=access)
    headers.clear()
    access.clear()
    assert (location.headers, location.access) == (((b"x-one", b"1"),), ("read",))
