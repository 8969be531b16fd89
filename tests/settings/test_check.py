"""This file is the test of importing everything that a site file refers to."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.settings.check import check_site_file, references_of
from penstock.settings.loader import draft_of, load_site_file

SITE = """\
[[site]]
[[site.module]]
use = "shop_check.modules:Greting"
[[site.route]]
at = "/"
function = "shop_check.pages:hello"
[[site.app]]
at = "/a"
asgi = "shop_check.apu:app"
[[site.app]]
at = "/b"
wsgi = "shop_check.broken:app"
[[site.location]]
at = "/c"
modules = [{ use = "shop_check.modules:Greeting" },
           { use = "shop_chekc.modules:Audit" }]
"""


@pytest.fixture
def site_file(tmp_path: Path) -> Iterator[Path]:
    package = tmp_path / "lib" / "shop_check"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "modules.py").write_text("class Greeting: ...\n")
    (package / "pages.py").write_text("def hello(): ...\n")
    (package / "api.py").write_text("app = 1\n")
    (package / "broken.py").write_text("1 / 0\n")
    file = tmp_path / "penstock.toml"
    file.write_text('[server]\napp_dirs = ["lib"]\n' + SITE)
    yield file
    for name in [name for name in sys.modules if name.startswith("shop_check")]:
        del sys.modules[name]


class TestReferences:
    def test_every_reference_is_tried(self, site_file: Path) -> None:
        with pytest.raises(ConfigurationError) as caught:
            check_site_file(site_file, {})
        problems = caught.value.problems
        assert [(problem.where.rpartition(":")[2], problem.message.partition(" at ")[0]) for problem in problems] == [
            ("5", 'use: shop_check.modules has no attribute "Greting"; did you mean "Greeting"?'),
            ("11", 'asgi: there is no module "apu" in shop_check; did you mean "api"?'),
            ("14", 'wsgi: importing "shop_check.broken" failed'),
            ("18", 'use: there is no module "shop_chekc"; did you mean "shop_check"?'),
        ]
        assert "broken.py:1: ZeroDivisionError: division by zero" in problems[2].message

    def test_the_import_path_is_left_as_it_was(self, site_file: Path) -> None:
        before = list(sys.path)
        with pytest.raises(ConfigurationError):
            check_site_file(site_file, {})
        assert before == sys.path

    def test_references_have_the_path_of_their_key(self, site_file: Path) -> None:
        assert list(references_of(draft_of(site_file, {}).tree))[1] == (
            ("site", 0, "route", 0, "function"),
            "shop_check.pages:hello",
        )


class TestCheckSiteFile:
    def test_references_are_reported_with_everything_else(self, site_file: Path) -> None:
        site_file.write_text(site_file.read_text() + "rot = 1\n\n[site.files]\nfallbak = 1\n")
        with pytest.raises(ConfigurationError) as caught:
            check_site_file(site_file, {})
        assert [problem.where.rpartition(":")[2] for problem in caught.value.problems] == [
            "5", "11", "14", "18", "19", "22",
        ]  # fmt: skip

    def test_what_is_right_is_loaded(self, site_file: Path) -> None:
        site_file.write_text(
            '[server]\napp_dirs = ["lib"]\n[[site]]\n[[site.app]]\nat = "/"\napp = "shop_check.api:app"\n'
        )
        assert check_site_file(site_file, {}).settings == load_site_file(site_file, {}).settings
