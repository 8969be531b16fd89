"""An ASGI application of ours, marked as what it is."""

from typing import Any

from asgiref import compatibility

from penstock.pipeline_gateways.asgi_application import Application
from penstock.pipeline_gateways.shapes import Shape, detect_shape
from tests.pipeline_gateways.chain_subject import answering, asked


def test_it_calls_and_is_known_by_its_marks() -> None:
    application = Application(answering(b"page"))
    assert asked(application).body == b"page"
    asgiref: Any = compatibility
    assert not asgiref.is_double_callable(application)
    assert detect_shape(application, "it") is Shape.ASGI3
