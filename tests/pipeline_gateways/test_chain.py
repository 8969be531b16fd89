"""How the items of a builder become one application (middleware R-AB-03 to R-AB-08)."""

from typing import Any

from penstock.pipeline_gateways.chain import Item, Link, build_chain, converted, default_of
from penstock.pipeline_gateways.conversions import Conversions
from tests.pipeline.subject import run
from tests.pipeline_gateways.chain_subject import answering, ask_app, asked, shaken, wsgi_page


def test_middleware_r_ab_07_the_default_answers_404_and_refuses_websockets() -> None:
    app = build_chain([], Conversions(), default_of(None), "asgi3")
    assert (asked(app).status, shaken(app).sent[0]["type"]) == (404, "websocket.close")


def test_the_default_has_a_lifespan() -> None:
    app = default_of(None).application
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    answer = run(lambda: ask_app(app, {"type": "lifespan"}, messages))
    assert [each["type"] for each in answer.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_default_of_ones_own_is_converted() -> None:
    assert asked(build_chain([], Conversions(), default_of(wsgi_page), "asgi3")).body == b"wsgi"


def test_the_last_application_is_the_first_one_that_was_added() -> None:
    items = [Item("application", name, application=answering(name.encode()), produces="asgi3") for name in ("a", "b")]
    assert asked(build_chain(items, Conversions(), default_of(None), "asgi3")).body == b"a"


def test_what_needs_no_conversion_is_itself() -> None:
    application: Any = answering(b"")
    assert converted(Link(application, "asgi3", "it"), "asgi3", Conversions()) is application
