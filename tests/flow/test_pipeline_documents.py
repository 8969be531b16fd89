"""Whole journeys to default documents: one request, under the rules of the file that answers (pipeline F-07, Z-01, U-06)."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from penstock import Context, Hooks, HTTPError, Stage
from penstock.server import open_client
from penstock.settings import FilesSettings, LocationSettings, LogSettings, ModuleSettings, ServerSettings, SiteSettings
from penstock.testing import Client
from tests.pipeline.subject import Attached, ask, on


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "index.html").write_text("<p>home")
    (tmp_path / "docs" / "index.html").write_text("<p>docs")
    (tmp_path / "plain.txt").write_text("plain")
    return tmp_path


def open_files(root: Path, module: object, **locations: Mapping[str, object]) -> Client:
    """`locations` are rules by name of the file below root."""
    site = SiteSettings(
        root=str(root),
        files=FilesSettings(fallback="index.html"),
        modules=(ModuleSettings(use="tested:module"),),
        locations=tuple(
            LocationSettings(at=f"/{name.replace('_', '.')}", **rules)  # type: ignore[arg-type]
            for name, rules in locations.items()
        ),
    )
    return open_client(
        site,
        server=ServerSettings(log=LogSettings(access=False)),
        objects={"tested:module": module, "tested:own": Denied},
    )


class Denied:
    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.AUTHORIZE, self.deny)

    def deny(self, context: Context) -> None:
        raise HTTPError(403)


class Seen:
    def __init__(self) -> None:
        self.log: list[str] = []

    def attach(self, hooks: Hooks) -> None:
        for stage in (Stage.BEGIN, Stage.AUTHENTICATE, Stage.AUTHORIZE, Stage.EXECUTE, Stage.END):
            hooks.on(stage, self.note)

    def note(self, context: Context) -> None:
        self.log.append(f"{context.stage.name} {context.request.path} {context.effective_path}")


def test_pipeline_f07_one_request_whose_document_is_authorized(root: Path) -> None:
    seen = Seen()
    answer = ask(open_files(root, seen), "/docs/")
    assert (answer.status, answer.text) == (200, "<p>docs")
    assert seen.log == [
        "BEGIN /docs/ /docs/",
        "AUTHENTICATE /docs/ /docs/",
        "AUTHORIZE /docs/ /docs/",
        "AUTHORIZE /docs/ /docs/index.html",
        "EXECUTE /docs/ /docs/index.html",
        "END /docs/ /docs/index.html",
    ]


def test_a_file_that_is_asked_for_by_its_name_is_authorized_once(root: Path) -> None:
    seen = Seen()
    assert ask(open_files(root, seen), "/plain.txt").text == "plain"
    assert [entry.split()[0] for entry in seen.log] == ["BEGIN", "AUTHENTICATE", "AUTHORIZE", "EXECUTE", "END"]


@pytest.mark.parametrize("target", ["/", "/index.html", "/some/page"])
def test_the_rules_of_the_document_hold_however_it_is_reached(root: Path, target: str) -> None:
    own = {"modules": (ModuleSettings(use="tested:own"),)}
    client = open_files(root, Attached(lambda hooks: None), index_html=own)
    assert ask(client, target, headers={"accept": "text/html"}).status == 403


def test_headers_of_its_location_are_set(root: Path) -> None:
    client = open_files(root, on(Stage.BEGIN, lambda context: None), index_html={"headers": {"x-rule": "index"}})
    answer = ask(client, "/")
    assert (answer.text, answer.headers["x-rule"]) == ("<p>home", "index")


def test_access_by_the_document_s_location(root: Path) -> None:
    client = open_files(root, on(Stage.BEGIN, lambda context: None), index_html={"access": ("script",)})
    assert ask(client, "/").status == 403
