"""This file is the test of the models: frozen, strict, described, cheap to import."""

import subprocess
import sys

import msgspec
import pytest

import penstock.settings as package
from penstock.settings import AppSettings, LimitSettings, Settings, SiteSettings
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
