"""A server with `watch = true`, and one whose `current` release is switched: new code follows, and nobody waits in vain."""

import os
import threading
from pathlib import Path

import pytest

from tests.wire.supervisor.supervised import APPLICATION, Supervised, supervised
from tests.wire.supervisor.test_workers import Load

DJANGO = "import sys, types\nsys.modules.setdefault('django', types.ModuleType('django'))\n"


# A late answer waits for a file.
WAITING = APPLICATION.replace(
    "await asyncio.sleep(0.5)", "while not os.path.exists('go'):\n            await asyncio.sleep(0.02)"
)


def code(text: str) -> str:
    """The application, answering with another text."""
    return WAITING.replace('"one"', repr(text))


def file_changes(server: Supervised) -> int:
    """How many workers were replaced because of a file."""
    return int(server.status()["recycles"].get("FileChange", 0))


def test_pipeline_g02_g03_g11_what_is_edited_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(code("one"))
    with supervised(tmp_path, workers=1, server="watch = true") as server, Load(server) as load:
        (before,) = server.pids()
        late: list[tuple[int, str]] = []
        inside = threading.Thread(target=lambda: late.append(server.get("/late")))
        inside.start()
        server.wait(lambda: server.ask("GET", "/v1/requests")[1]["requests"])
        for number in range(20):
            (tmp_path / "app.py").write_text(code(f"edit {number}"))
            threading.Event().wait(0.04)
        server.wait_line("pool default is recycled:")
        server.wait(lambda: server.get()[1].startswith("edit 19"))
        assert late == []  # it is still inside the old generation, which ends it
        (tmp_path / "go").touch()
        inside.join()
        assert late == [(200, f"one {before}")]

        site = (tmp_path / "penstock.toml").read_text()
        (after,) = server.pids()
        (tmp_path / "penstock.toml").write_text(site.replace("asgi =", "asgo ="))
        server.wait_line("the old ones stay")
        assert server.pids() == {after}
        (tmp_path / "penstock.toml").write_text(site.replace("graceful_timeout = 5", "graceful_timeout = 6"))
        server.wait_line("reload: done")
        assert not {after} & server.pids()
        assert file_changes(server) == 1  # of twenty within a second, and none for the site file
    assert set(load.answers) == {200}


class Deployed:
    """`releases/NAME/app.py` below a folder, and `current`, which leads to one of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "app.py").write_text("raise RuntimeError('not from here')")

    def add(self, name: str, text: str) -> None:
        """Write a release."""
        (self.folder / "releases" / name).mkdir(parents=True)
        (self.folder / "releases" / name / "app.py").write_text(text)

    def switch(self, name: str) -> None:
        """Deploy it, as everybody does."""
        os.symlink(self.folder / "releases" / name, self.folder / "new")
        os.replace(self.folder / "new", self.folder / "current")


@pytest.mark.parametrize("kind", ["exchanged in place", "by a process alone"])
def test_pipeline_e02_who_meets_a_new_release_is_served_and_a_new_worker_follows(tmp_path: Path, kind: str) -> None:
    deployed = Deployed(tmp_path)
    first = "" if kind == "exchanged in place" else DJANGO
    deployed.add("1", first + code("one"))
    deployed.add("2", first + code("two"))
    deployed.switch("1")
    with supervised(tmp_path, workers=1, server='app_dirs = ["current"]') as server:
        (before,) = server.pids()
        assert server.get() == (200, f"one {before}")
        deployed.switch("2")
        with Load(server) as load:
            if not first:
                server.wait(lambda: server.get()[1] == f"two {before}")
            server.wait(lambda: server.pids() - {before})
            server.wait(lambda: server.get()[1] == f"two {next(iter(server.pids()))}")
        assert server.status()["recycles"] == {"PathChanged": 1}
    assert set(load.answers) == {200}
