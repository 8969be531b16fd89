"""This file is the test of importing what runs in pools, by the Python of each pool."""

import sys
import venv
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.settings.check import check_site_file

SITE = """\
[[pool]]
name = "reports"
app_dirs = ["reports"]
environment = { GREETING = "hello" }
directory = "reports"

[[site]]
[[site.app]]
at = "/a"
asgi = "pooled_check:app"
pool = "reports"
[[site.app]]
at = "/b"
asgi = "pooled_check:ap"
pool = "reports"
[[site.app]]
at = "/c"
wsgi = "pooled_check:app"
"""


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    (tmp_path / "reports").mkdir()
    text = (
        'import os\nprint("noise")\nassert os.environ["GREETING"] == "hello"\nassert os.getcwd().endswith("reports")\n'
    )
    (tmp_path / "reports" / "pooled_check.py").write_text(f"{text}app = 1\n", "utf-8")
    file = tmp_path / "penstock.toml"
    file.write_text(SITE, "utf-8")
    return file


def refusals(file: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        check_site_file(file, {})
    return [f"{each.where.rpartition(':')[2]}: {each.message}" for each in caught.value.problems]


def test_a_pool_imports_in_its_own_folder_environment_and_process(site_file: Path) -> None:
    assert refusals(site_file) == [
        '14: asgi: pooled_check has no attribute "ap"; did you mean "app"?',
        '18: wsgi: there is no module "pooled_check"; is its folder in app_dirs?',
    ]
    assert "pooled_check" not in sys.modules


def test_what_fails_in_its_import_is_told(site_file: Path) -> None:
    site_file.write_text(SITE.replace('"hello"', '"bye"'), "utf-8")
    first, second, _ = refusals(site_file)
    assert first.startswith('10: asgi: importing "pooled_check" failed at ')
    assert second.startswith('14: asgi: importing "pooled_check" failed at ')


def test_a_python_without_penstock_is_judged_elsewhere(site_file: Path) -> None:
    venv.create(site_file.parent / "venv", symlinks=True)
    site_file.write_text(SITE.replace("[[pool]]", '[[pool]]\npython = "venv/bin/python"'), "utf-8")
    assert [told.partition(":")[0] for told in refusals(site_file)] == ["19"]


def test_a_program_that_is_no_python_is_told(site_file: Path) -> None:
    site_file.write_text(SITE.replace("[[pool]]", '[[pool]]\npython = "/bin/false"'), "utf-8")
    assert refusals(site_file)[0] == '1: "/bin/false" does not say what it can import: exit code 1'
