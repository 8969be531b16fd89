"""What a pool's processes are started with, and the limits they set themselves, seen from inside of a process."""

import getpass
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.errors import ConfigurationError
from penstock.settings import PoolSettings
from penstock.supervisor import process_limits
from penstock.supervisor.process_limits import judge_limits, launch_options

IS_ROOT = os.geteuid() == 0

# A process of the pool whose settings are the first argument sets its limits, then does what the second says.
PROGRAM = """
import json, os, resource, sys
import msgspec
from penstock.settings import PoolSettings
from penstock.supervisor.process_limits import apply_limits
from penstock.errors import ConfigurationError
sys.stdout.reconfigure(line_buffering=True)
try:
    apply_limits(msgspec.json.decode(sys.argv[1], type=PoolSettings))
except ConfigurationError as error:
    print(error)
    sys.exit(2)
exec(sys.argv[2])
"""
LOOK = """
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(), "cwd": os.getcwd(), "env": dict(os.environ),
    "nice": os.nice(0), "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
    "cpu_time": resource.getrlimit(resource.RLIMIT_CPU), "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
}))
"""


def run(pool: PoolSettings, code: str = LOOK) -> subprocess.CompletedProcess[str]:
    launch = launch_options(pool)
    program = launch["program"] or (sys.executable,)
    # A user who may not read this tree can still import what was imported by us: from the folders of Python alone.
    environment = launch["environment"] | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(
        [*program, "-c", PROGRAM, msgspec.json.encode(pool).decode(), code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        **launch["options"],
    )


def look(pool: PoolSettings) -> dict[str, Any]:
    done = run(pool)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBJECT", "ours")


def test_a_pool_that_says_nothing_is_started_as_we_are(secret: None) -> None:
    launch = launch_options(PoolSettings(name="p"))
    assert launch == {"program": (), "environment": dict(os.environ), "options": {}}


def test_pipeline_w01_folder_and_variables(secret: None, tmp_path: Path) -> None:
    seen = look(PoolSettings(name="p", directory=str(tmp_path), environment={"SUBJECT": "theirs", "MORE": "é"}))
    assert (seen["cwd"], seen["env"]["SUBJECT"], seen["env"]["MORE"]) == (str(tmp_path.resolve()), "theirs", "é")


def test_pipeline_w01_user_and_group() -> None:
    pool = PoolSettings(name="p", user="nobody")
    if not IS_ROOT:
        with pytest.raises(ConfigurationError, match="only a server that root has started"):
            launch_options(pool)
        return
    import grp
    import pwd

    nobody = pwd.getpwnam("nobody")
    launch = launch_options(pool)
    done = subprocess.run(
        ["/bin/sh", "-c", "id -u; id -g; id -G; echo $HOME $USER"],
        env=launch["environment"],
        capture_output=True,
        text=True,
        check=True,
        **launch["options"],
    )
    groups = " ".join(map(str, os.getgrouplist("nobody", nobody.pw_gid)))
    assert done.stdout.split("\n")[:4] == [
        str(nobody.pw_uid),
        str(nobody.pw_gid),
        groups,
        f"{nobody.pw_dir} nobody",
    ]
    other = next(group for group in grp.getgrall() if group.gr_gid not in (0, nobody.pw_gid))
    options = launch_options(PoolSettings(name="p", user=str(nobody.pw_uid), group=other.gr_name))["options"]
    assert (options["user"], options["group"]) == (nobody.pw_uid, other.gr_gid)
    only_group = launch_options(PoolSettings(name="p", group=other.gr_name))["options"]
    assert only_group == {"group": other.gr_gid, "extra_groups": []}


def test_our_own_user_is_no_change() -> None:
    assert launch_options(PoolSettings(name="p", user=getpass.getuser()))["options"] == {}


def test_pipeline_w01_what_is_not_there_is_told_with_its_key_all_at_once(tmp_path: Path) -> None:
    pool = PoolSettings(name="p", user="no-such-user", group="no-such-group", directory=str(tmp_path / "gone"))
    with pytest.raises(ConfigurationError) as raised:
        launch_options(pool)
    assert [str(problem) for problem in raised.value.problems] == [
        "[[pool]] \"p\": user: there is no user 'no-such-user' on this machine",
        "[[pool]] \"p\": group: there is no group 'no-such-group' on this machine",
        f'[[pool]] "p": directory: {tmp_path}/gone is no folder',
    ]


def test_pipeline_w01_another_python_is_not_led_astray_by_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "/ours")
    launch = launch_options(PoolSettings(name="p", python="/venv/bin/python", environment={"PYTHONPATH": "/theirs"}))
    assert launch["program"] == ("/venv/bin/python",)
    assert launch["environment"]["PYTHONPATH"] == "/theirs"
    assert not {"PYTHONHOME", "VIRTUAL_ENV"} & set(launch["environment"])
    assert launch["environment"]["PATH"].split(os.pathsep)[0] == "/venv/bin"


def test_pipeline_w01_limits_hold_inside() -> None:
    seen = look(PoolSettings(name="p", memory=3 << 30, cpu_time=77, open_files=99, nice=3))
    assert (seen["memory"], seen["open_files"]) == (3 << 30, 99)
    assert seen["cpu_time"] == [77, 82]
    assert seen["nice"] == min(19, os.nice(0) + 3)


def test_pipeline_w01_memory_that_is_not_there_is_a_memory_error_and_no_more() -> None:
    code = "try:\n    bytes(2 << 30)\nexcept MemoryError:\n    print('lives on')"
    assert run(PoolSettings(name="p", memory=1 << 30), code).stdout == "lives on\n"


def test_pipeline_w01_processor_time_that_is_used_up_ends_the_process_by_a_signal_that_says_so() -> None:
    assert run(PoolSettings(name="p", cpu_time=1), "while True:\n    pass").returncode == -signal.SIGXCPU


def test_pipeline_w01_a_limit_beyond_what_is_allowed_is_told_with_its_key() -> None:
    # Who is not root, or is root no longer; what is imported later may lie where only root can read.
    code = """
import os, resource
from penstock.settings import PoolSettings
from penstock.supervisor.process_limits import ConfigurationError, apply_limits
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    apply_limits(PoolSettings(name="p", open_files=1000, nice=-20))
except ConfigurationError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stdout.splitlines() == [
        '[[pool]] "p": open_files: 1000 files are more than the 100 that are allowed here',
        '[[pool]] "p": nice: cannot be set to -20: Operation not permitted',
    ]


def test_what_cannot_be_had_is_known_without_trying() -> None:
    assert judge_limits(PoolSettings(name="p", memory=1 << 30, cpu_time=60, open_files=64, nice=3)) == []
    pool = PoolSettings(name="p", user="nobody", directory="/no/such/folder", open_files=1 << 40, nice=-1)
    told = [str(problem) for problem in judge_limits(pool)]
    assert '[[pool]] "p": directory: /no/such/folder is no folder' in told
    assert '[[pool]] "p": nice: only root can go below 0, and this is -1' in told
    assert any(problem.startswith(f'[[pool]] "p": open_files: {1 << 40} files are more than the ') for problem in told)


class TestBeforehand:
    """What cannot be had is found out before a pool is started, which may be with its first request."""

    def judge(self, **keys: Any) -> list[str]:
        return [f"{each.where}: {each.message}" for each in judge_limits(PoolSettings(name="reports", **keys))]

    def test_what_can_be_had(self) -> None:
        assert self.judge(memory=2_000_000_000, nice=5) == []
        assert self.judge(user=str(os.geteuid()), group=str(os.getegid())) == []

    def test_what_only_root_may_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        assert self.judge(nice=-5) == ['[[pool]] "reports": nice: only root can go below 0, and this is -5']
        (told,) = self.judge(user="0")
        assert told.startswith('[[pool]] "reports": user: only a server that root has started')

    def test_more_than_is_allowed_here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        monkeypatch.setattr(process_limits, "_hard_limit", lambda name: 100)
        assert self.judge(open_files=200) == [
            '[[pool]] "reports": open_files: 200 files are more than the 100 that are allowed here'
        ]
