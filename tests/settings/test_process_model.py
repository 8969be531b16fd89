"""This file is the test of how workers are asked for and looked after: what is taken, what is refused, what variables say."""

from pathlib import Path

import msgspec
import pytest

from penstock.errors import ConfigurationError
from penstock.settings import (
    ControlSettings,
    DrainSettings,
    HealthPathSettings,
    PoolSettings,
    RecycleSettings,
    ServerSettings,
    Settings,
)
from penstock.settings.loader import load

SERVER = """\
[server]
workers = "auto"
pid_file = "penstock.pid"
watch = true

[server.drain]
idle = 1
cancel = 2.5
kill = 0

[server.health]
live = "/live"
ready = "/health/ready"

[server.control]
mode = "0660"

[server.recycle]
requests = 1000
jitter = 100
age = 3600
schedule = ["03:30", "15:30"]
memory = 500_000_000
stuck = 0
preload = ["/", "/warm?up=1"]
start_timeout = 5
stagger = 0
failures = 3
within = 60
back_off = 1

[[site]]
"""


def load_text(text: str, folder: Path, environ: dict[str, str] | None = None) -> Settings:
    file = folder / "penstock.toml"
    file.write_text(text, "utf-8")
    return load(file, environ or {})


def refusals(text: str, folder: Path, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_text(text, folder, environ)
    return [f"{problem.where.rpartition(':')[2]}: {problem.message}" for problem in caught.value.problems]


def test_it_is_read(tmp_path: Path) -> None:
    server = load_text(SERVER, tmp_path).server
    assert (server.workers, server.watch, server.pid_file) == ("auto", True, str(tmp_path / "penstock.pid"))
    assert server.drain == DrainSettings(idle=1, cancel=2.5, kill=0)
    assert server.health == HealthPathSettings(live="/live", ready="/health/ready")
    assert server.control == ControlSettings(socket="", mode="0660")
    assert server.recycle == RecycleSettings(
        requests=1000,
        jitter=100,
        age=3600,
        schedule=("03:30", "15:30"),
        memory=500_000_000,
        stuck=0,
        preload=("/", "/warm?up=1"),
        start_timeout=5,
        stagger=0,
        failures=3,
        within=60,
        back_off=1,
    )


def test_without_any_of_it_there_is_one_process() -> None:
    assert not Settings().is_supervised
    assert Settings().server.workers is None


@pytest.mark.parametrize(
    "settings",
    [
        Settings(server=ServerSettings(workers=1)),
        Settings(server=ServerSettings(workers="auto")),
        Settings(server=ServerSettings(control=ControlSettings())),
        Settings(pools=(PoolSettings(name="a"),)),
    ],
)
def test_what_asks_for_a_supervisor(settings: Settings) -> None:
    assert settings.is_supervised


def test_requests_have_two_names() -> None:
    assert ServerSettings(max_requests=5).recycle_requests == 5
    assert ServerSettings(recycle=RecycleSettings(requests=6)).recycle_requests == 6
    assert ServerSettings().recycle_requests == 0


def test_settings_survive_the_way_to_a_worker(tmp_path: Path) -> None:
    settings = load_text(SERVER, tmp_path)
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings


def test_variables_stand_above_them(tmp_path: Path) -> None:
    environ = {
        "PENSTOCK_SERVER__WORKERS": "3",
        "PENSTOCK_SERVER__CONTROL__SOCKET": "a.sock",
        "PENSTOCK_SERVER__HEALTH__LIVE": "/alive",
        "PENSTOCK_SERVER__RECYCLE__SCHEDULE": "01:00,02:00",
        "PENSTOCK_SERVER__RECYCLE__STUCK": "90",
        "PENSTOCK_SERVER__DRAIN__KILL": "1.5",
    }
    server = load_text("[[site]]", tmp_path, environ).server
    assert (server.workers, server.health.live, server.drain.kill) == (3, "/alive", 1.5)
    assert server.control == ControlSettings(socket=str(tmp_path / "a.sock"))
    assert (server.recycle.schedule, server.recycle.stuck) == (("01:00", "02:00"), 90)
    assert load_text("[[site]]", tmp_path, {"PENSTOCK_SERVER__WORKERS": "auto"}).server.workers == "auto"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server]\nworkers = 0", "2: workers must be at least 1, not 0"),
        ("[server]\nworkers = 9999", "2: workers must be at most 1024"),
        ('[server]\nworkers = "4"', '2: workers must be a whole number or "auto", not "4"'),
        ("[server]\nworkers = 1.5", '2: workers must be a whole number or "auto", not a fraction'),
        ("[server]\nworkers = true", '2: workers must be a whole number or "auto", not true or false'),
        ("[server]\nprocesses = 2", '2: [server] does not know "processes"; did you mean "workers"?'),
        ('[server]\npid = "a"', '2: [server] does not know "pid"; did you mean "pid_file"?'),
        ('[server]\nwatch = "yes"', "2: watch must be true or false, not a string: write watch = true"),
        ("[server.drain]\nkill = -1", "2: kill must be at least 0"),
        ("[server.drain]\ntimeout = 1", '2: [server.drain] does not know "timeout"'),
        ('[server.health]\nlive = "live"', '2: live: "live" must begin with a slash: write "/live"'),
        ('[server.health]\nready = "/"', '2: ready: "/" is the front page of every site'),
        ('[server.health]\nliveness = "/live"', '2: [server.health] does not know "liveness"; did you mean "live"?'),
        ("[server.control]\nmode = 600", '2: mode must be a string, not a whole number: write mode = "600"'),
        ('[server.control]\nmode = "rw"', '2: mode: "rw" is not the mode of a file'),
        ('[server.recycle]\nschedule = ["3:30"]', '2: schedule: "3:30" is not a time of the day: write "03:30"'),
        ('[server.recycle]\nschedule = "03:30"', "2: schedule must be an array of strings, not a string: write"),
        ('[server.recycle]\npreload = ["warm"]', '2: preload: "warm" is not a path to ask for'),
        ('[server.recycle]\npreload = [""]', "2: preload must not be empty"),
        ("[server.recycle]\nfailures = 0", "2: failures must be at least 1"),
        ("[server.recycle]\nback_off = 0", "2: back_off must be more than 0"),
        ("[server.recycle]\nmax_requests = 5", '2: [server.recycle] does not know "max_requests"; did you mean "requests"?'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(text: str, told: str, tmp_path: Path) -> None:
    (message,) = refusals(f"{text}\n[[site]]", tmp_path)
    assert message.startswith(told)


def test_a_wrong_variable_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_text("[[site]]", tmp_path, {"PENSTOCK_SERVER__WORKERS": "many", "PENSTOCK_POOL__REPORTS__WORKERS": "2"})
    told = {problem.where: problem.message for problem in caught.value.problems}
    assert told == {
        "PENSTOCK_SERVER__WORKERS": 'workers must be a whole number or "auto", not "many"',
        "PENSTOCK_POOL__REPORTS__WORKERS": "only keys of [server] can be set by variables",
    }
