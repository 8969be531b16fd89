"""This file is the test of the JSON Schema: it is the committed one, and it agrees with the loader."""

import json
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from penstock.errors import ConfigurationError
from penstock.settings.loader import load
from penstock.settings.schema import build_schema, render_schema

GOOD = [
    "[[site]]",
    '[server]\nlisten = [":80", "unix:/run/app.sock", "fd:3", "[::1]:80"]\nmode = "development"\n[[site]]',
    '[server.limits]\nkeep_alive = 5\nheader_timeout = 0.5\nbody = 1\n[[site]]\nhosts = ["*.example.org", "[::1]"]',
    '[server.proxy]\ntrusted = ["10.0.0.0/8", "::1", "*", "unix:"]\nheaders = "forwarded"\n[[site]]',
    '[server.log]\nlevel = "debug"\naccess = false\naccess_format = "json"\n[[site]]',
    '[server]\nheaders = { "x-a" = "b c" }\n[[site]]\n[[site.app]]\nat = "/"\nasgi = "a.b:c"',
    '[[site]]\n[[site.app]]\nat = "/a/b"\nwsgi = "a:b.c"\nthreads = 0\nqueue = 5\nroot_path = "/x"',
    '[[site]]\n[[site.route]]\nat = "/hello/{name}"\nfunction = "a:b"\nmethods = ["GET", "POST"]',
    '[[site]]\n[[site.location]]\nat = "/"\nlimits = { body = 5 }\nmodules = [{ use = "a:b", settings = { x = 1 } }]',
    '[[site]]\n[site.files]\nprecompressed = ["gz"]\ndefault_documents = []\ncache_control = "no-cache"',
    '[[site]]\n[[site.module]]\nuse = "a:b"\nsettings = { a = [1, { b = 2 }] }',
]
BAD = [
    "",
    "site = []",
    "[site]",
    "[[site]]\nrot = 1",
    "[[sites]]",
    '[server]\nlisten = ":80"\n[[site]]',
    "[server]\nlisten = []\n[[site]]",
    '[server]\nlisten = ["80"]\n[[site]]',
    '[server]\nmode = "prod"\n[[site]]',
    "[server]\nbacklog = 0\n[[site]]",
    '[server]\nbacklog = "5"\n[[site]]',
    "[server]\nserver_header = 1\n[[site]]",
    '[server]\nheaders = { "a b" = "c" }\n[[site]]',
    '[server]\nheaders = { a = "b\\nc" }\n[[site]]',
    "[server.limits]\nheader_timeout = 0\n[[site]]",
    "[server.limits]\nbody = 0.5\n[[site]]",
    '[server.tls]\ncertificate = "x"\n[[site]]',
    '[server.proxy]\ntrusted = ["localhost"]\n[[site]]',
    '[[site]]\nhosts = ["http://a"]',
    '[[site]]\nhosts = ["a:80"]',
    '[[site]]\n[[site.app]]\nat = "/"',
    '[[site]]\n[[site.app]]\nat = "/"\nasgi = "a:b"\nwsgi = "a:b"',
    '[[site]]\n[[site.app]]\nat = "/a/"\nasgi = "a:b"',
    '[[site]]\n[[site.app]]\nat = "/a/../b"\nasgi = "a:b"',
    '[[site]]\n[[site.app]]\nat = "a"\nasgi = "a:b"',
    '[[site]]\n[[site.app]]\nat = "/"\nasgi = "a"',
    '[[site]]\n[[site.app]]\nasgi = "a:b"',
    '[[site]]\n[[site.route]]\nat = "/"\nfunction = "a:b"\nmethods = ["get"]',
    '[[site]]\n[[site.route]]\nat = "hello"\nfunction = "a:b"',
    '[[site]]\n[[site.location]]\nat = "/"\nlimits = { request_line = 5 }',
    '[[site]]\n[[site.location]]\nat = "/"\nrequire = { role = "staff" }',
    '[[site]]\n[site.files]\nprecompressed = ["gzip"]',
    '[[site]]\n[site.files]\ndefault_documents = ["a/b"]',
    '[[site]]\n[[site.module]]\nuse = "a"',
]


def loads(text: str, folder: Path) -> bool:
    file = folder / "penstock.toml"
    file.write_text(text)
    try:
        load(file, {})
    except ConfigurationError:
        return False
    return True


class TestSchema:
    def test_the_committed_one_is_made_from_the_models(self) -> None:
        committed = resources.files("penstock.settings").joinpath("site.schema.json").read_text(encoding="utf-8")
        assert committed == render_schema(), (
            "run `python -m penstock.settings.schema > src/penstock/settings/site.schema.json`"
        )

    def test_is_a_schema(self) -> None:
        Draft202012Validator.check_schema(build_schema())
        assert '"null"' not in json.dumps(build_schema())

    @pytest.mark.parametrize("text", GOOD)
    def test_takes_what_the_loader_takes(self, text: str, tmp_path: Path) -> None:
        assert loads(text, tmp_path)
        assert Draft202012Validator(build_schema()).is_valid(tomllib.loads(text))

    @pytest.mark.parametrize("text", BAD)
    def test_refuses_what_the_loader_refuses(self, text: str, tmp_path: Path) -> None:
        assert not loads(text, tmp_path)
        assert not Draft202012Validator(build_schema()).is_valid(tomllib.loads(text))
