"""This file is the test of [[pool]]: what it takes, and what it refuses."""

import sys
from pathlib import Path

import msgspec
import pytest

from penstock.errors import ConfigurationError
from penstock.settings import AppSettings, DrainSettings, PoolSettings, RecycleSettings, Settings
from penstock.settings.loader import load

POOL = f"""\
[[pool]]
name = "reports"
workers = 3
python = "{sys.executable}"
directory = "."
environment = {{ LANG = "C", EMPTY = "" }}
app_dirs = [".", "lib"]
threads = 2
start = "always"
graceful_timeout = 5
memory = 2_000_000_000
cpu_time = 60
nice = 5
open_files = 1024
connections = 8
queue = 0
read_timeout = 0

[pool.recycle]
memory = 500_000_000

[pool.drain]
cancel = 1

[[site]]
[[site.app]]
at = "/"
asgi = "shop:app"
pool = "reports"
offline_file = "offline.html"
"""


def load_text(text: str, folder: Path) -> Settings:
    (folder / "lib").mkdir(exist_ok=True)
    file = folder / "penstock.toml"
    file.write_text(text, "utf-8")
    return load(file, {})


def test_it_is_read(tmp_path: Path) -> None:
    settings = load_text(POOL, tmp_path)
    assert settings.pools == (
        PoolSettings(
            name="reports",
            workers=3,
            python=sys.executable,
            directory=str(tmp_path),
            environment={"LANG": "C", "EMPTY": ""},
            app_dirs=(str(tmp_path), str(tmp_path / "lib")),
            threads=2,
            start="always",
            graceful_timeout=5,
            memory=2_000_000_000,
            cpu_time=60,
            nice=5,
            open_files=1024,
            connections=8,
            queue=0,
            read_timeout=0,
            recycle=RecycleSettings(memory=500_000_000),
            drain=DrainSettings(cancel=1),
        ),
    )
    (app,) = settings.sites[0].apps
    assert (app.pool, app.offline_file) == ("reports", str(tmp_path / "offline.html"))


def test_pipeline_w01_it_starts_with_the_first_request_unless_told_otherwise() -> None:
    pool = PoolSettings(name="a")
    assert (pool.start, pool.idle, pool.workers) == ("on_demand", 1200.0, 1)


def test_an_application_runs_with_all_others_unless_told_otherwise() -> None:
    assert AppSettings(at="/").pool == ""


def test_settings_survive_the_way_to_a_worker(tmp_path: Path) -> None:
    settings = load_text(POOL, tmp_path)
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("workers = 1", '1: [[pool]] needs "name"'),
        ('name = "Re ports"', '2: name: "Re ports" is not the name of a pool, which has small letters'),
        ('name = "default"', '2: name: "default" is the pool of all applications that name none: take another name'),
        ('name = "a"\nworkers = "auto"', "3: workers must be a whole number, not a string"),
        ('name = "a"\nenvironment = { "A-B" = "1" }', '3: environment: "A-B" is not the name of a variable'),
        ('name = "a"\nenvironment = { A = 1 }', '3: A must be a string, not a whole number: write A = "1"'),
        ('name = "a"\nenvironment = ["A=1"]', "3: environment must be a table, not an array"),
        ('name = "a"\nstart = "lazy"', '3: start must be "always" or "on_demand", not "lazy"'),
        ('name = "a"\nnice = -21', "3: nice must be at least -20"),
        ('name = "a"\nconnections = 0', "3: connections must be at least 1"),
        ('name = "a"\nidle = -1', "3: idle must be at least 0"),
        ('name = "a"\ncpu = 5', '3: [[pool]] does not know "cpu"; did you mean "cpu_time"?'),
        ('name = "a"\nvirtualenv = "venv"', '3: [[pool]] does not know "virtualenv"; did you mean "python"?'),
        ('name = "a"\ncwd = "."', '3: [[pool]] does not know "cwd"; did you mean "directory"?'),
        ('name = "a"\nenv = {}', '3: [[pool]] does not know "env"; did you mean "environment"?'),
        ('name = "a"\n[pool.recycle]\nage = -1', "4: age must be at least 0"),
    ],
)
def test_what_is_wrong_is_told(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_text(f'[[pool]]\n{text}\n[[site]]\n[[site.app]]\nat = "/"\nasgi = "a:b"\npool = "a"', tmp_path)
    problem = caught.value.problems[0]
    assert f"{problem.where.rpartition(':')[2]}: {problem.message}".startswith(told)


def test_pool_is_a_table_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"pool must be an array of tables, not a table: write \[\[pool\]\]"):
        load_text('[pool]\nname = "a"\n[[site]]', tmp_path)
