"""This file is the test of what people read: links lead somewhere, examples run, site files load, named files exist."""

import asyncio
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import penstock
from penstock.server import ServerThread, open_client
from penstock.settings import WebSocketSettings
from penstock.settings.loader import load
from penstock.testing import Client

ROOT = Path(__file__).parent.parent
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = sorted((ROOT / "src" / "penstock").rglob("README.md"))
EXAMPLES = sorted((ROOT / "examples").glob("*/README.md"))
PAGES = [*GUIDES, *FOLDERS, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *EXAMPLES]

FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# The first line of a complete example names its file: "# shop/modules.py".
FILE_NAME = re.compile(r"(?:# |<!-- )([\w/.-]+\.(?:py|toml|html))(?: -->)?\n")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Example:
    """A block of code on a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{named(self.page)}:{self.line}"

    @property
    def file(self) -> str:
        found = FILE_NAME.match(self.text)
        return found[1] if found else ""


def examples(page: Path, language: str = "") -> Iterator[Example]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        if language in ("", found[1]):
            yield Example(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def write_files(page: Path, folder: Path) -> None:
    """Put every example of a page that names its file into a folder."""
    for example in examples(page):
        if example.file:
            path = folder / example.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(example.text, encoding="utf-8")


def run_python(folder: Path, *arguments: str) -> None:
    importable = os.pathsep.join([str(folder), str(Path(penstock.__file__).parent.parent), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": importable, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]


class TestLinks:
    @pytest.mark.parametrize("page", PAGES, ids=named)
    def test_relative_links_lead_somewhere(self, page: Path) -> None:
        broken = []
        for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
            path, _, anchor = target.partition("#")
            if "://" in target:
                continue
            aim = (page.parent / path).resolve() if path else page
            if not aim.exists() or (anchor and anchor not in anchors(aim)):
                broken.append(target)
        assert broken == []

    def test_every_page_is_in_the_index(self) -> None:
        linked = set(LINK.findall((ROOT / "docs" / "index.md").read_text(encoding="utf-8")))
        assert {path.name for path in (ROOT / "docs").glob("*.md")} - linked == {"index.md"}


class TestExamples:
    @pytest.mark.parametrize("page", GUIDES, ids=named)
    def test_python_compiles(self, page: Path) -> None:
        for example in examples(page, "python"):
            compile(example.text, example.place, "exec")

    @pytest.mark.parametrize(
        "name",
        [
            "modules.md",
            "testing.md",
            "responses.md",
            "handlers.md",
            "errors.md",
            "forms.md",
            "websockets.md",
            "middleware.md",
        ],
    )
    def test_tests_on_the_page_pass(self, name: str, tmp_path: Path) -> None:
        """Every example that names its file is put there; those that are tests are run."""
        write_files(ROOT / "docs" / name, tmp_path)
        tests = [path.name for path in tmp_path.glob("test_*.py")]
        assert tests
        run_python(tmp_path, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)

    def test_every_module_on_the_page_can_be_imported(self, tmp_path: Path) -> None:
        write_files(ROOT / "docs" / "modules.md", tmp_path)
        names = [".".join(path.relative_to(tmp_path).with_suffix("").parts) for path in tmp_path.rglob("*.py")]
        run_python(tmp_path, "-W", "error", "-c", f"import {', '.join(sorted(names))}")

    @pytest.mark.parametrize("page", GUIDES, ids=named)
    def test_site_files_load(self, page: Path, tmp_path: Path) -> None:
        """A fragment is loaded as part of the smallest site file around it."""
        for example in examples(page, "toml"):
            text = example.text if "[[site]]" in example.text else _around(example.text)
            text = _with_files_of_here(_with_pools(text), tmp_path)
            tree = tomllib.loads(text)
            for root in (site["root"] for site in tree.get("site", []) if site.get("root")):
                (tmp_path / root).mkdir(parents=True, exist_ok=True)
                (tmp_path / root / "index.html").write_text("")
            path = tmp_path / "penstock.toml"
            path.write_text(text, encoding="utf-8")
            try:
                load(path, {})
            except Exception as error:
                raise AssertionError(f"{example.place}: {error}") from error


def _around(fragment: str) -> str:
    head, separator, rest = fragment.partition("[[site.")
    if not separator:
        head, separator, rest = fragment.partition("[site.")
    location = '[[site.location]]\nat = "/"\n' if rest.startswith("location.") else ""
    if rest.startswith("proxy."):
        location = '[[site.proxy]]\nat = "/"\nto = ["http://127.0.0.1:9000"]\n'
    return f'{head}\n[[site]]\nroot = "public"\n{location}{separator}{rest}'


def _with_pools(text: str) -> str:
    """A fragment with a pool alone gets an application that runs in it, and one with such an application alone gets the pool."""
    if text.startswith("[pool."):
        text = f'[[pool]]\nname = "reports"\n{text}'
    tree = tomllib.loads(text)
    there = [pool["name"] for pool in tree.get("pool", [])]
    named = [app["pool"] for site in tree.get("site", []) for app in site.get("app", []) if app.get("pool")]
    for name in (name for name in there if name not in named):
        text += f'\n[[site.app]]\nat = "/in-{name}"\nasgi = "a:b"\npool = "{name}"\n'
    for name in (name for name in dict.fromkeys(named) if name not in there):
        text += f'\n[[pool]]\nname = "{name}"\n'
    return text


def _with_files_of_here(text: str, folder: Path) -> str:
    """Certificates, logs, programs, users and error pages are on other people's machines: something of here stands for each."""
    (folder / "any.pem").write_text("-----BEGIN CERTIFICATE-----")
    for name in re.findall(r'\bfile = "([^"]+)"', text):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    for names in re.findall(r"\bapp_dirs = \[([^]]*)\]", text):
        for name in re.findall(r'"([^"]+)"', names):
            (folder / name).mkdir(parents=True, exist_ok=True)
    text = re.sub(r'(?m)^((?:python|orphan) = )"[^"]+"', rf'\1"{sys.executable}"', text)
    text = re.sub(r'(?m)^((?:user|group|directory) = )"[^"]+"', r'\1""', text)
    text = re.sub(r'(?m)^((?:pid_file|socket) = )"(?:[^"]*/)?([^"/]+)"', r'\1"\2"', text)
    return re.sub(r'\b((?:certificate|key|ca|access_file) = )"[^"]+"', r'\1"any.pem"', text)


class TestWebSockets:
    @pytest.mark.parametrize("name", ["websockets.md", "getting-started.md"])
    def test_the_first_endpoint_answers_the_client_of_the_page(self, name: str, tmp_path: Path) -> None:
        """On a real port, as `penstock serve echo:echo` would serve it."""
        write_files(ROOT / "docs" / "websockets.md", tmp_path)
        write_files(ROOT / "docs" / name, tmp_path)
        run_python(tmp_path, "-W", "error", "-c", "from tests.test_docs import ask_echo; ask_echo()")

    def test_lines_are_counted(self, tmp_path: Path) -> None:
        write_files(ROOT / "docs" / "websockets.md", tmp_path)
        run_python(tmp_path, "-W", "error", "-c", "from tests.test_docs import ask_lines; ask_lines()")

    def test_the_handshake_for_curl_is_accepted(self) -> None:
        """The headers that the page gives to curl are a handshake."""
        text = (ROOT / "docs" / "websockets.md").read_text(encoding="utf-8")
        fields = {name.lower(): value for name, value in re.findall(r'-H\s+"([\w-]+): ([^"]+)"', text)}
        assert set(fields) == {"connection", "upgrade", "sec-websocket-version", "sec-websocket-key"}

        async def ask() -> None:
            async def leave(websocket: penstock.WebSocket) -> None: ...

            async with open_client(leave) as client, client.websocket("/", headers=fields):
                pass

        asyncio.run(ask())

    def test_every_key_and_every_close_code_is_told(self) -> None:
        text = (ROOT / "docs" / "websockets.md").read_text(encoding="utf-8")
        assert [key for key in WebSocketSettings.__struct_fields__ if f"`{key}`" not in text] == []
        assert [
            code for code in (*range(1000, 1004), *range(1005, 1010), *range(1011, 1015)) if str(code) not in text
        ] == []


class TestReadme:
    def test_first_site_answers_on_every_path(self, tmp_path: Path) -> None:
        """What the README says step by step, over a client without sockets."""
        write_files(ROOT / "README.md", tmp_path)
        run_python(tmp_path, "-m", "django", "startproject", "mysite", str(tmp_path))
        run_python(tmp_path, "-m", "penstock", "check")
        run_python(tmp_path, "-c", "from tests.test_docs import ask_first_site; ask_first_site()")

    def test_site_file_and_module_are_as_short_as_it_says(self) -> None:
        sizes = {
            example.file: len([line for line in example.text.splitlines()[1:] if line.strip()])
            for example in examples(ROOT / "README.md")
        }
        assert {name: sizes[name] for name in ("penstock.toml", "modules.py")} == {
            "penstock.toml": 12,
            "modules.py": 10,
        }

    def test_has_a_place_for_the_results_of_the_bench(self) -> None:
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        assert 0 < text.find("<!-- benchmarks -->") < text.find("<!-- /benchmarks -->")


def ask_first_site() -> None:
    """Called in the README's folder: everything that is mounted answers, and carries the module's header."""

    async def ask(client: Client) -> None:
        async with client:
            for path, status, text in (
                ("/", 200, "<h1>Mills</h1>"),
                ("/api/mills/7", 200, '{"mill":7}'),
                ("/api/docs", 200, "/api/openapi.json"),
                ("/shop/", 200, "The install worked successfully"),
                ("/shop/admin/login/", 200, "/shop/admin/login/"),
                ("/nothing", 404, "404 Not Found"),
            ):
                answer = await client.get(path, headers={"host": "localhost:8000"})
                assert status == answer.status, path
                assert text in answer.text, path
                assert answer.headers["server-timing"].startswith("total;dur=")

    asyncio.run(ask(open_client(load("penstock.toml", {}))))


def ask_echo() -> None:
    """Called in a folder with the first endpoint and its client: one answers the other."""
    echo = importlib.import_module("echo").echo
    with ServerThread(echo) as server:
        _, port = server.address
        source = Path("client.py").read_text(encoding="utf-8").replace(":8000", f":{port}")
        told = subprocess.run(
            [sys.executable, "-c", source], capture_output=True, encoding="utf-8", check=True, timeout=30
        )
    assert told.stdout == "hello\n"


def ask_lines() -> None:
    """Called in a folder with `lines.py`: every message is counted."""

    async def ask() -> None:
        async with open_client(importlib.import_module("lines").lines) as client, client.websocket("/") as socket:
            await socket.send("größe")
            assert await socket.receive() == "5 of text"
            await socket.send(b"12")
            assert await socket.receive() == "2 of bytes"

    asyncio.run(ask())


class TestFolders:
    def test_every_folder_of_code_has_a_page(self) -> None:
        package = ROOT / "src" / "penstock"
        assert {path.parent for path in package.rglob("__init__.py")} == {path.parent for path in FOLDERS}

    @pytest.mark.parametrize("page", FOLDERS, ids=named)
    def test_is_short_and_names_every_file(self, page: Path) -> None:
        text = page.read_text(encoding="utf-8")
        mentioned = set(re.findall(r"`(\w+\.py)`", text))
        there = {path.name for path in page.parent.glob("*.py")} - {"__init__.py", "__main__.py"}
        assert len(text.splitlines()) <= 25
        assert there == mentioned & there, "a file is missing on its folder's page"
        assert {name for name in mentioned if not (page.parent / name).exists()} == set()

    def test_way_of_a_request_names_files_that_exist(self) -> None:
        text = (ROOT / "docs" / "request.md").read_text(encoding="utf-8")
        files = re.findall(r"`(\w+/\w+\.py)`", text)
        assert files
        assert [name for name in files if not (ROOT / "src" / "penstock" / name).exists()] == []
