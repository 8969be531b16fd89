"""This file is the test of the models: frozen, strict, described, cheap to import."""

import subprocess
import sys

import msgspec
import pytest

import penstock.settings as package
from penstock.settings import AppSettings, LimitSettings, RouteSettings, Settings, SiteSettings
from penstock.settings.catalog import fields_of, tables


class TestModels:
    def test_are_frozen(self) -> None:
        with pytest.raises(AttributeError):
            LimitSettings().body = 5  # type: ignore[misc]

    def test_refuse_unknown_keys(self) -> None:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"server": {"bind": 1}}, Settings)

    def test_arrays_of_tables_are_plural_in_python_only(self) -> None:
        settings = msgspec.convert({"site": [{"app": [{"at": "/", "asgi": "a:b"}]}]}, Settings)
        assert settings == Settings(sites=(SiteSettings(apps=(AppSettings(at="/", asgi="a:b"),)),))

    def test_every_key_is_described_in_a_sentence(self) -> None:
        for _, model in tables():
            for key, field in fields_of(model).items():
                described = getattr(field.type, "extra_json_schema", None) or {}
                assert described.get("description", "").endswith("."), f"{model.__name__}.{key}"

    def test_limits_by_default_are_those_of_the_issue(self) -> None:
        limits = LimitSettings()
        assert (limits.request_line, limits.header_section, limits.headers, limits.body) == (
            8192,
            32768,
            100,
            30_000_000,
        )
        assert (limits.deadline, limits.form_fields, limits.form_memory) == (110.0, 1000, 81_920)  # pipeline L-01
        assert (limits.header_timeout, limits.keep_alive) == (30.0, 75.0)
        assert (limits.data_rate, limits.data_rate_grace) == (240, 5.0)

    def test_head_comes_with_get(self) -> None:
        assert RouteSettings(at="/", function="a:b").answered_methods == ("GET", "HEAD")
        assert RouteSettings(at="/", function="a:b", methods=("HEAD", "GET")).answered_methods == ("HEAD", "GET")
        assert RouteSettings(at="/", function="a:b", methods=("POST",)).answered_methods == ("POST",)

    def test_pipeline_h02_a_star_is_every_method(self) -> None:
        assert RouteSettings(at="/", function="a:b", methods=("GET", "*")).answered_methods == ()
        assert RouteSettings(at="/", status=404).answered_methods == ()
        assert RouteSettings(at="/", status=404, methods=("POST",)).answered_methods == ("POST",)

    def test_pipeline_h12_bodies_are_read_before_where_threads_cannot(self) -> None:
        assert not RouteSettings(at="/", function="a:b").preloads
        assert RouteSettings(at="/", function="a:b", threads=2).preloads
        assert RouteSettings(at="/", function="a:b", preload=True).preloads

    def test_routes_have_labels(self) -> None:
        assert RouteSettings(at="/", handler="a:B").label == "handler a:B"
        assert RouteSettings(at="/", status=410).label == "status 410"

    def test_public_names_are_pinned(self) -> None:
        models = {model.__name__ for _, model in tables()}
        assert models == set(package.__all__)

    def test_importing_the_models_parses_and_builds_nothing(self) -> None:
        program = (
            "import sys, penstock.settings, penstock.settings.environment as e; e.server_from_environment({});"
            "print([n for n in ('tomllib', 'difflib', 'penstock.settings.loader', 'ipaddress') if n in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"
