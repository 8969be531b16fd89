"""This file is the test of import references and of the errors of those that lead nowhere."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError, StartupError
from penstock.settings.references import importable, load_reference

FILES = {
    "shop_ref/__init__.py": "",
    "shop_ref/pages.py": "class Pages:\n    greeting = 'hi'\n\ndef hello():\n    return 1\n",
    "shop_ref/broken.py": "x = 1\n\nraise RuntimeError('no database')\n",
    "shop_ref/lacking.py": "import a_library_that_is_not_installed\n",
    "shop_ref/leaving.py": "import sys\nsys.exit(3)\n",
    "shop_ref/typo.py": "def f(:\n",
}


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path) -> Iterator[None]:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    with importable([str(tmp_path)]):
        yield
    for name in [name for name in sys.modules if name.startswith("shop_ref")]:
        del sys.modules[name]


class TestLoadReference:
    def test_leads_to_the_object(self) -> None:
        assert callable(load_reference("shop_ref.pages:hello"))
        assert load_reference("shop_ref.pages:Pages.greeting") == "hi"

    @pytest.mark.parametrize(
        ("reference", "message"),
        [
            ("shop_ref", 'write "package.module:attribute"'),
            ("shop_ref:", 'write "package.module:attribute"'),
            ("shop_ref.pages:helo", 'shop_ref.pages has no attribute "helo"; did you mean "hello"?'),
            (
                "shop_ref.pages:Pages.greting",
                'shop_ref.pages:Pages has no attribute "greting"; did you mean "greeting"?',
            ),
            ("shop_ref.page:hello", 'there is no module "page" in shop_ref; did you mean "pages"?'),
            ("shop_ref.zzz.pages:hello", 'there is no module "zzz" in shop_ref'),
            ("shop_reff:hello", 'there is no module "shop_reff"; did you mean "shop_ref"?'),
            ("zzz_nothing_like_it:hello", 'there is no module "zzz_nothing_like_it"; is its folder in app_dirs?'),
            ("shop_ref.pages.deeper:x", '"shop_ref.pages" is a module, not a package'),
        ],
    )
    def test_what_is_missing_is_the_operators_mistake(self, reference: str, message: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_reference(reference)
        assert message in str(caught.value)

    @pytest.mark.parametrize(
        ("reference", "place", "said"),
        [
            ("shop_ref.broken:app", "broken.py:3", "RuntimeError: no database"),
            ("shop_ref.lacking:app", "lacking.py:1", "ModuleNotFoundError: No module named"),
            ("shop_ref.leaving:app", "leaving.py:2", "SystemExit: 3"),
            ("shop_ref.typo:app", "typo.py:1", "SyntaxError"),
        ],
    )
    def test_what_fails_in_its_import_says_where(self, reference: str, place: str, said: str) -> None:
        with pytest.raises(StartupError) as caught:
            load_reference(reference)
        assert place in str(caught.value)
        assert said in str(caught.value)
        assert caught.value.__cause__ is not None


class TestImportable:
    def test_puts_the_path_back(self) -> None:
        before = list(sys.path)
        with importable(["/nowhere"]):
            assert sys.path[0] == "/nowhere"
        assert before == sys.path
