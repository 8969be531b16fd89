"""Tags say what an object is, and change nothing else."""

import pytest

from penstock.pipeline_gateways import tags
from penstock.pipeline_gateways.shapes import detect_shape


@pytest.mark.parametrize("name", ["asgi3", "asgi2", "wsgi", "native"])
def test_middleware_py_t03_a_tagged_application_has_that_shape(name: str) -> None:
    tagged = getattr(tags, name)(dict)
    assert detect_shape(tagged, "it").value == name
    assert tagged(a=1) == {"a": 1}
    assert tagged.__gateway_name__ == "dict"
