"""Rest: what few requests need is nothing until it is asked for."""

from penstock.pipeline.principal import ANONYMOUS
from penstock.pipeline.rest import Rest


def test_nothing_is_set_and_what_is_set_belongs_to_one_request() -> None:
    first, second = Rest(), Rest()
    first.items = {"a": 1}
    first.errors = [ValueError()]
    first.is_complete = True
    assert (second.items, second.errors, second.is_complete) == (None, None, False)
    assert (second.request, second.trace_id, second.redispatches, second.deferred) == (None, None, None, None)
    assert second.principal is ANONYMOUS
