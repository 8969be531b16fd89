"""This file is the test of settings that are shown: all keys, and no value that opens doors."""

import json

import msgspec

from penstock.settings import BackendSettings, ServerSettings, Settings, SiteSettings, TlsSettings
from penstock.supervisor.control_settings import without_secrets
from tests.supervisor.control_subject import Subject


def test_no_secret_is_shown() -> None:
    shown = without_secrets(Subject().settings)
    assert b"hunter2" not in msgspec.json.encode(shown)
    assert shown["pool"][0]["environment"] == {"DATABASE_URL": "[redacted]"}
    assert shown["site"][0]["module"][0]["settings"] == {"api_key": "[redacted]", "colour": "red"}


def test_secrets_deep_inside_of_a_table_and_in_urls() -> None:
    settings = {
        "stores": [{"url": "redis://user:hunter2@cache/0", "tokens": ["hunter2"], "names": ["a"]}],
        "password": "",
    }
    site = SiteSettings(modules=(msgspec.structs.replace(Subject().settings.sites[0].modules[0], settings=settings),))
    shown = without_secrets(Settings(server=ServerSettings(), sites=(site,)))["site"][0]["module"][0]["settings"]
    expected = {"url": "redis://[redacted]@cache/0", "tokens": "[redacted]", "names": ["a"]}
    assert shown == {"stores": [expected], "password": ""}


def test_a_backend_shows_no_password() -> None:
    site = SiteSettings(proxies=(BackendSettings(at="/", to=("http://shop:hunter2@10.0.0.1",)),))
    shown = without_secrets(Settings(server=ServerSettings(), sites=(site,)))
    assert shown["site"][0]["proxy"][0]["to"] == ["http://[redacted]@10.0.0.1"]


def test_what_is_no_secret_is_shown_as_it_is() -> None:
    tls = TlsSettings(certificate="/etc/ssl/shop.pem", key="/etc/ssl/shop.key")
    settings = Settings(server=ServerSettings(tls=tls), sites=(SiteSettings(),))
    assert without_secrets(settings) == json.loads(msgspec.json.encode(settings))
