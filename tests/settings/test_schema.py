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
    '[[site]]\n[[site.module]]\nuse = "a:b"\nname = "Sign-in"\nsettings = { a = [1, { b = 2 }] }',
    '[[site]]\nmiddleware = [{ use = "a:B", stage = "authenticate", settings = { x = 1 }, name = "b", relay_errors = true }]',
    '[[site]]\nbuilder = "a:b"',
    '[[site]]\n[[site.location]]\nat = "/a"\nmiddleware = [{ use = "a:B" }, { use = "a:C", stage = "AUTHORIZE" }]',
    '[server]\nstart_failure = "retry"\nverifier = true\nstrict_host = true\n[[site]]',
    "[server.limits]\ndeadline = 0\nform_fields = 1\nform_memory = 0\nstuck_threads = 1\n[[site]]",
    '[server.log]\ntraces = "traces"\ntrace_files = 1\n[[site]]',
    '[[site]]\n[[site.route]]\nat = "/a"\nhandler = "a:b"\nlifetime = "per_request"\nsettings = { x = 1 }\npreload = true',
    '[[site]]\n[[site.route]]\nat = "/a"\nfactory = "a:b"\nallow_anonymous = true\ncancel_on_disconnect = true',
    '[[site]]\n[[site.route]]\nat = "/{rest:path}.py"\nstatus = 403\nmethods = ["*"]',
    '[[site]]\n[[site.app]]\nat = "/"\nasgi = "a:b"\nallow_anonymous = true',
    '[[site]]\n[[site.location]]\nat = "/"\nlimits = { deadline = 0, form_fields = 1, form_memory = 0 }\naccess = []',
    '[[site]]\n[[site.location]]\nat = "/"\naccess = ["read", "script"]\nerror_format = "problem"',
    '[[site]]\n[[site.location]]\nat = "/"\nfiltering = { path = 0, url = 1, query = 1, characters = "", methods = [] }',
    '[[site]]\n[[site.location]]\nat = "/"\nfiltering = { extensions = [".py"], hidden_segments = ["bin"] }',
    '[[site]]\n[[site.location]]\nat = "/"\nfiltering = { sequences = ["~"], double_escaped = true, high_bit = false }',
    '[[site]]\n[[site.location]]\nat = "/"\nerrors = [{ status = [404, "5xx", "500-599"], path = "/oops" }]',
    '[[site]]\n[[site.location]]\nat = "/"\nerrors = [{ status = ["404"], function = "a:b" }]',
    '[server]\nworkers = 2\npid_file = "a.pid"\nwatch = true\n[server.drain]\nidle = 0\n[server.health]\nlive = "/live"\n[[site]]',
    '[server]\nworkers = "auto"\n[server.control]\nmode = "0660"\n[[site]]',
    '[server.recycle]\nschedule = ["03:30"]\npreload = ["/?a=1"]\nmemory = 500_000_000\n[[site]]',
    '[[pool]]\nname = "a-b_2"\nenvironment = { A_B = "" }\nrecycle = { age = 5 }\n[[site]]\n[[site.app]]\nat = "/"\nasgi = "a:b"\npool = "a-b_2"',
    '[[site]]\n[[site.trace]]\n[[site.trace]]\nat = "/a"\nstatus = [404, "5xx"]\nslower_than = 2.0',
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
    "[server]\nworkers = 0\n[[site]]",
    '[server]\nworkers = "many"\n[[site]]',
    '[server.health]\nlive = "live"\n[[site]]',
    '[server.control]\nmode = "rw"\n[[site]]',
    '[server.recycle]\nschedule = ["3:30"]\n[[site]]',
    '[server.recycle]\npreload = [""]\n[[site]]',
    "[[pool]]\nworkers = 2\n[[site]]",
    '[[pool]]\nname = "A"\n[[site]]',
    '[[pool]]\nname = "a"\nstart = "lazy"\n[[site]]',
    '[[pool]]\nname = "a"\nenvironment = { "A B" = "" }\n[[site]]',
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
    '[[site]]\n[[site.module]]\nuse = "a:b"\nname = "a b"',
    '[[site]]\nmiddleware = [{ stage = "authenticate" }]',
    '[[site]]\nmiddleware = [{ use = "a:B", stage = "execute" }]',
    '[[site]]\nmiddleware = [{ use = "a:B", relay_errors = "yes" }]',
    '[[site]]\nmiddleware = ["a:B"]',
    '[[site]]\nbuilder = "b"',
    '[server]\nstart_failure = "wait"\n[[site]]',
    "[server]\nverifier = 1\n[[site]]",
    '[server]\nstrict_host = "yes"\n[[site]]',
    "[server.limits]\ndeadline = -1\n[[site]]",
    "[server.limits]\nform_fields = 0\n[[site]]",
    "[server.limits]\nform_memory = -1\n[[site]]",
    "[server.limits]\nstuck_threads = 0\n[[site]]",
    "[server.log]\ntrace_files = 0\n[[site]]",
    "[server.log]\ntraces = true\n[[site]]",
    '[[site]]\n[[site.route]]\nat = "/"',
    '[[site]]\n[[site.route]]\nat = "/"\nfunction = "a:b"\nhandler = "a:b"',
    '[[site]]\n[[site.route]]\nat = "/"\nhandler = "a:b"\nlifetime = "pooled"',
    '[[site]]\n[[site.route]]\nat = "/"\nhandler = "a:b"\nsettings = 5',
    '[[site]]\n[[site.route]]\nat = "/"\nstatus = 200',
    '[[site]]\n[[site.route]]\nat = "/"\nstatus = "404"',
    '[[site]]\n[[site.route]]\nat = "/"\nstatus = 404\nmethods = []',
    '[[site]]\n[[site.route]]\nat = "/"\nfunction = "a:b"\npreload = "no"',
    '[[site]]\n[[site.app]]\nat = "/"\nasgi = "a:b"\nallow_anonymous = "yes"',
    '[[site]]\n[[site.location]]\nat = "/"\nlimits = { deadline = -1 }',
    '[[site]]\n[[site.location]]\nat = "/"\nlimits = { form_fields = 0 }',
    '[[site]]\n[[site.location]]\nat = "/"\nlimits = { form_memory = 1.5 }',
    '[[site]]\n[[site.location]]\nat = "/"\naccess = ["write"]',
    '[[site]]\n[[site.location]]\nat = "/"\nfiltering = { path = -1 }',
    '[[site]]\n[[site.location]]\nat = "/"\nfiltering = { methods = ["get"] }',
    '[[site]]\n[[site.location]]\nat = "/"\nfiltering = { extensions = ["py"] }',
    '[[site]]\n[[site.location]]\nat = "/"\nfiltering = { hidden_segments = ["a/b"] }',
    '[[site]]\n[[site.location]]\nat = "/"\nfiltering = { sequences = [""] }',
    '[[site]]\n[[site.location]]\nat = "/"\nfiltering = { verbs = ["GET"] }',
    '[[site]]\n[[site.location]]\nat = "/"\nerror_format = "xml"',
    '[[site]]\n[[site.location]]\nat = "/"\nerrors = [{ status = [404] }]',
    '[[site]]\n[[site.location]]\nat = "/"\nerrors = [{ path = "/oops" }]',
    '[[site]]\n[[site.location]]\nat = "/"\nerrors = [{ status = [], path = "/oops" }]',
    '[[site]]\n[[site.location]]\nat = "/"\nerrors = [{ status = [404], path = "oops" }]',
    '[[site]]\n[[site.location]]\nat = "/"\nerrors = [{ status = [404], path = "/oops", function = "a:b" }]',
    '[[site]]\n[[site.trace]]\nstatus = ["6xx"]',
    "[[site]]\n[[site.trace]]\nstatus = [600]",
    "[[site]]\n[[site.trace]]\nslower_than = -1",
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
