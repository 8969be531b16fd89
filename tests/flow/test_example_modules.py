"""What the five modules of examples/modules do, as docs/modules.md says."""

import logging
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.server import open_client
from penstock.settings.loader import load
from penstock.testing import ClientResponse, check_module
from tests.pipeline.subject import ask
from tests.tools.processes import run, serving, url_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "modules"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))


def get(target: str, headers: Mapping[str, str] | None = None) -> ClientResponse:
    return ask(open_client(load(EXAMPLE / "penstock.toml", {})), target, headers=headers)


def cookie(variant: str) -> dict[str, str]:
    return {"cookie": f"bakery={variant}"}


class TestSite:
    def test_language_by_prefix(self) -> None:
        german, english = get("/de/", cookie("A")), get("/", cookie("A"))
        assert german.text == "Willkommen in der Bäckerei!\n"
        assert german.headers["content-language"] == "de"
        assert english.text == "Welcome to the bakery!\n"
        assert english.headers["content-language"] == "en"
        assert get("/de", cookie("A")).text == german.text

    def test_the_prefix_leads_to_the_same_route(self) -> None:
        answer = get("/fr/orders/7")
        assert answer.text == '{"number":"7","text":"two rye loaves"}'
        assert answer.headers["content-language"] == "fr"

    def test_request_id(self) -> None:
        assert get("/", {"x-request-id": "abc123"}).headers["x-request-id"] == "abc123"
        made = get("/", {"x-request-id": "a b"}).headers["x-request-id"]
        assert len(made) == 32
        assert made != get("/").headers["x-request-id"]

    def test_a_visitor_keeps_what_they_saw_first(self) -> None:
        first = get("/")
        assert first.headers["x-variant"] in ("A", "B")
        assert first.headers["set-cookie"].startswith(f"bakery={first.headers['x-variant']};")
        again = get("/", cookie("B"))
        assert again.headers["x-variant"] == "B"
        assert "set-cookie" not in again.headers
        assert again.text.endswith("Today with pretzels.\n")

    def test_errors_are_json_that_names_the_request(self) -> None:
        missing = get("/de/orders/9", {"x-request-id": "abc123"})
        assert missing.status == 404
        assert missing.headers["content-type"] == "application/json"
        assert missing.text == (
            '{"status": 404, "error": "there is no order 9", "request": "abc123", "contact": "bakers@example.org"}'
        )
        assert missing.headers["x-request-id"] == "abc123"
        assert missing.headers["content-language"] == "de"
        assert get("/nothing").status == 404

    def test_a_bug_says_nothing_about_itself(self) -> None:
        burnt = get("/burnt")
        assert burnt.status == 500
        assert "something went wrong here" in burnt.text
        assert "hot" not in burnt.text

    def test_slow_requests_are_named_with_their_slowest_step(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, "bakery.slow"):
            get("/")
            get("/de/oven", {"x-request-id": "abc123"})
        lines = [record.getMessage() for record in caplog.records if record.name == "bakery.slow"]
        assert len(lines) == 1
        assert lines[0].startswith("/de/oven took 0.2")
        assert "in function bakery.pages:oven at EXECUTE; request abc123" in lines[0]


MODULES: list[tuple[str, dict[str, Any]]] = [
    ("request_id:RequestId", {}),
    ("experiment:Experiment", {"share": 1.0}),
    ("slow_requests:SlowRequests", {"seconds": 60.0}),
    ("json_errors:JsonErrors", {}),
    ("language:Language", {"languages": ["de"]}),
]


class TestPage:
    def test_docs_modules_shows_the_files_as_they_are(self) -> None:
        page = (EXAMPLE.parents[1] / "docs" / "modules.md").read_text(encoding="utf-8")
        shown = {each for each in EXAMPLE.glob("bakery/[a-z]*.py") if each.read_text(encoding="utf-8") in page}
        assert {each.name for each in shown} == {
            "experiment.py",
            "json_errors.py",
            "language.py",
            "pages.py",
            "request_id.py",
            "slow_requests.py",
        }


class TestContracts:
    @pytest.mark.parametrize(("name", "settings"), MODULES)
    def test_each_module_keeps_its_contract(self, name: str, settings: dict[str, Any]) -> None:
        file, _, kind = name.partition(":")
        check_module(getattr(import_module(f"bakery.{file}"), kind)(**settings))

    def test_check_finds_nothing_wrong(self) -> None:
        done = run("check", "penstock.toml", folder=EXAMPLE)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_is_served_as_its_readme_says(self) -> None:
        with serving("penstock.toml", "--port", "0", folder=EXAMPLE) as (_, line):
            answer = httpx.get(f"{url_in(line)}/de/", headers=cookie("A"))
        assert answer.text == "Willkommen in der Bäckerei!\n"

    def test_a_share_that_is_none_is_told_of_at_start(self) -> None:
        experiment = import_module("bakery.experiment")
        with pytest.raises(ValueError, match="from 0 to 1, not 50"):
            experiment.Experiment(share=50)
