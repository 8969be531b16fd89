"""This file is every host: how it is started with the acceptance site, for as long as a block lasts."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import penstock
from tests.hosting.exchanges import MIB
from tests.wire.guest_servers import RSGI_SERVERS, SERVERS, WSGI_SERVERS, server_of
from tests.wire.nginx import FASTCGI_PARAMETERS, nginx_with

SITE = Path(__file__).parent / "site"
ROOT = SITE.parents[2]
LARGE = b"0123456789abcdef" * (MIB // 16)

Address = tuple[str, int]
Serving = Callable[[Path], AbstractContextManager[Address]]


def copy_site(folder: Path, face: str) -> Path:
    """The site in a folder of its own, with the module that a server is given. Files are as old there as here."""
    shutil.copytree(SITE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    large = folder / "public" / "large.bin"
    large.write_bytes(LARGE)
    for path in folder.glob("public/*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    (folder / "guest.py").write_text(f'import penstock\n\napplication = penstock.{face}("penstock.toml")\n', "utf-8")
    return folder


def _guest(command: list[str], says: str, face: str) -> Serving:
    @contextmanager
    def serving(folder: Path) -> Iterator[Address]:
        with server_of(command, copy_site(folder, face), says=says) as running:
            yield running.address

    return serving


@contextmanager
def _behind_nginx(folder: Path) -> Iterator[Address]:
    """nginx with FastCGI over a Unix socket, kept open, and neither side of it buffered."""
    copy_site(folder, "asgi")
    command = ["penstock", "serve", "penstock.toml", "--bind", "fcgi+unix:penstock.sock"]
    way = (
        f"fastcgi_pass unix:{folder}/penstock.sock; fastcgi_keep_conn on; "
        "fastcgi_buffering off; fastcgi_request_buffering off;"
    )
    with (
        server_of(command, folder, says="serving", is_awaited=False),
        nginx_with(folder, server=f"location / {{ {FASTCGI_PARAMETERS} {way} }}") as nginx,
    ):
        yield nginx.address


OWN = "own listener"
MEMORY = "in memory"
# Those with an address. The order is that of the table.
HOSTS: dict[str, Serving] = {
    OWN: _guest(*SERVERS["penstock"], "asgi"),
    "uvicorn": _guest(*SERVERS["uvicorn"], "asgi"),
    "hypercorn": _guest(*SERVERS["hypercorn"], "asgi"),
    "granian (ASGI)": _guest(*SERVERS["granian"], "asgi"),
    "granian (RSGI)": _guest(*RSGI_SERVERS["granian-rsgi"], "rsgi"),
    "gunicorn": _guest(*WSGI_SERVERS["gunicorn-gthread"], "wsgi"),
    "waitress": _guest(*WSGI_SERVERS["waitress"], "wsgi"),
    "nginx + FastCGI": _behind_nginx,
}
ALL = [*HOSTS, MEMORY]


def ask_in_memory(folder: Path) -> dict[str, dict[str, object]]:
    """What `tests.hosting.in_memory` prints, in a process of its own: Django is configured once in each."""
    copy_site(folder, "asgi")
    importable = os.pathsep.join((str(folder), str(ROOT), str(Path(penstock.__file__).parents[1])))
    done = subprocess.run(
        [sys.executable, "-m", "tests.hosting.in_memory"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": importable},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return found
