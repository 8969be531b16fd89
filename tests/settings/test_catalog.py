"""This file is the test of the catalogue of keys."""

from msgspec import inspect

from penstock.settings import AppSettings
from penstock.settings.catalog import fields_of, find_home, find_type, label, tables


class TestCatalog:
    def test_fields_go_by_their_keys(self) -> None:
        assert list(fields_of(AppSettings))[:4] == ["at", "asgi", "wsgi", "owin"]

    def test_types_are_found_by_path(self) -> None:
        assert isinstance(find_type(("server", "limits", "body")), inspect.IntType)
        assert isinstance(find_type(("server", "tls", "key")), inspect.StrType)
        assert find_type(("server", "limits", "body", "x")) is None
        assert find_type(("sever",)) is None

    def test_tables_have_labels(self) -> None:
        assert [label(path) for path, _ in tables()] == [
            "the site file",
            "[server]",
            "[server.limits]",
            "[server.tls]",
            "[server.proxy]",
            "[server.log]",
            "[server.drain]",
            "[server.health]",
            "[server.control]",
            "[server.recycle]",
            "[[pool]]",
            "[pool.recycle]",
            "[pool.drain]",
            "[[site]]",
            "[site.tls]",
            "[site.files]",
            "[[site.module]]",
            "[[site.middleware]]",
            "[[site.route]]",
            "[[site.app]]",
            "[[site.proxy]]",
            "[site.proxy.health]",
            "[[site.location]]",
            "[site.location.limits]",
            "[[site.location.modules]]",
            "[[site.location.middleware]]",
            "[site.location.filtering]",
            "[site.location.websockets]",
            "[[site.location.errors]]",
            "[[site.trace]]",
        ]

    def test_home_of_a_key(self) -> None:
        assert find_home("hops") == "[server.proxy]"
        assert find_home("certificate") == "[server.tls] or [site.tls]"
        assert find_home("nothing") == ""
