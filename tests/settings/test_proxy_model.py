"""This file is the test of what the site file can say of proxies, and of how it is told what it cannot say."""

from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.settings import BackendSettings, HealthSettings
from penstock.settings.addresses import judge_backend
from penstock.settings.loader import load

PLACE = '[[site]]\n[[site.proxy]]\nat = "/api"\n'


def read(tmp_path: Path, text: str) -> BackendSettings:
    file = tmp_path / "penstock.toml"
    file.write_text(PLACE + text)
    (proxy,) = load(file, {}).sites[0].proxies
    return proxy


def refusal(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "penstock.toml"
    file.write_text(PLACE + text)
    with pytest.raises(ConfigurationError) as caught:
        load(file, {})
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def test_a_place_and_a_backend_are_enough(tmp_path: Path) -> None:
    proxy = read(tmp_path, 'to = ["http://127.0.0.1:9000"]')
    assert proxy == BackendSettings(at="/api", to=("http://127.0.0.1:9000",))
    assert proxy.health == HealthSettings()
    assert proxy.label == "proxy to http://127.0.0.1:9000"


def test_sockets_are_found_beside_the_site_file(tmp_path: Path) -> None:
    assert read(tmp_path, 'to = ["unix:run/app.sock"]').to == (f"unix:{tmp_path}/run/app.sock",)


def test_certificates_are_found_beside_the_site_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    assert read(tmp_path, 'to = ["https://a:8443"]\nca = "ca.pem"').ca == f"{tmp_path}/ca.pem"


def test_every_key_can_be_said(tmp_path: Path) -> None:
    proxy = read(
        tmp_path,
        """
        to = ["http://a:1", "http://b:1"]
        strip_prefix = true
        rewrite_location = false
        host = "backend"
        forwarded = "both"
        balance = "least_connections"
        connections = 8
        queue = 0
        keep_alive = 0
        connect_timeout = 0.5
        read_timeout = 2
        retries = 0
        buffer = 65536
        max_head = 8192
        websockets = false
        allow_anonymous = true
        request_headers = { "x-key" = "s3cret", "cookie" = "" }
        response_headers = { "server" = "" }
        health = { path = "/health", interval = 1, timeout = 0.5, unhealthy_after = 1, healthy_after = 1 }
        """,
    )
    assert proxy.health.path == "/health"
    assert proxy.request_headers == {"x-key": "s3cret", "cookie": ""}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", '[[site.proxy]] needs "to"'),
        ("to = []", "to must not be empty"),
        ('to = "http://a"', 'to must be an array of strings, not a string: write to = ["http://a"]'),
        ('to = ["http://a"]\nca = "ca.pem"', 'there is no "https://" in to'),
        ('to = ["https://a"]\nca = "none.pem"', "ca: there is no file"),
        ('to = ["https://a"]\nca = "penstock.toml"', "has no certificate in PEM"),
        ('to = ["http://a", "http://a"]', 'to has "http://a" twice'),
        ('to = ["http://a"]\nbalance = "random"', 'balance must be "least_connections" or "round_robin"'),
        ('to = ["http://a"]\nhost = "client"', 'host must be "backend" or "original"'),
        ('to = ["http://a"]\nconnections = 0', "connections must be at least 1"),
        ('to = ["http://a"]\nread_timeout = 0', "read_timeout must be more than 0"),
        ('to = ["http://a"]\nretrys = 1', 'does not know "retrys"; did you mean "retries"?'),
        ('to = ["http://a"]\nhealth = { path = "health" }', 'health" is not a path to ask for'),
        ('to = ["http://a"]\nhealth = { every = 1 }', 'does not know "every"'),
        ('to = ["http://a"]\nrequest_headers = { Host = "x" }', "the key host says which it is"),
        ('to = ["http://a"]\nrequest_headers = { Upgrade = "x" }', "the key websockets allows it"),
        ('to = ["http://a"]\nresponse_headers = { "Content-Length" = "" }', "it says where a body ends"),
        ('to = ["http://a"]\nresponse_headers = { "A" = "1", "a" = "2" }', "which are one header"),
        ('to = ["http://a"]\nrequest_headers = { "a b" = "1" }', '"a b" is not a header name'),
        ('to = ["http://a"]\n[[site.app]]\nat = "/api"\nasgi = "a:b"', '"/api" has an [[site.app]], at'),
        ('to = ["http://a"]\n[[site.proxy]]\nat = "/api"\nto = ["http://b"]', "has another [[site.proxy]]"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, told: str) -> None:
    assert told in "\n".join(refusal(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("127.0.0.1:9000", 'write "http://127.0.0.1:9000"'),
        ("", "has no scheme"),
        ("wss://a:1", 'write "https://a:1"'),
        ("HTTPS://a", "is not a backend"),
        ("https://a/base", 'write "https://a"; strip_prefix'),
        ("ws://a:1", 'write "http://a:1"'),
        ("ftp://a", "is not a backend"),
        ("http://a:1/base", 'write "http://a:1"; strip_prefix'),
        ("http://a?x", "is more than a server"),
        ("http://u:p@a", "set request_headers"),
        ("http://::1", 'write "http://[::1]:9000"'),
        ("http://a:99999", "is not a backend"),
        ("http://ä", "is not a backend"),
        ("unix:", "has no path"),
    ],
)
def test_backends_that_are_none(text: str, advice: str) -> None:
    assert advice in judge_backend(text)
