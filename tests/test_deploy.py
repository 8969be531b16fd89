"""This file is the test of `deploy/`: the unit is right for systemd, the image's commands run, times fit each other."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from penstock.settings import DrainSettings, RecycleSettings, ServerSettings
from penstock.supervisor.host_signals import TABLE

DEPLOY = Path(__file__).parents[1] / "deploy"
SERVICE = (DEPLOY / "shop.service").read_text(encoding="utf-8")
SIGNALS = {text for text, _, _ in TABLE}

DRAIN = DrainSettings()
# Seconds from SIGTERM until the last worker is killed, by default.
LONGEST_STOP = DRAIN.idle + ServerSettings().graceful_timeout + DRAIN.cancel + DRAIN.kill
LIMIT = 30

SITE = """
[[site]]
hosts = ["*"]

[[site.route]]
at = "/"
function = "shop:front"
"""
SHOP = """
def front() -> str:
    return "open"
"""


def keys(unit: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in unit.splitlines() if re.match(r"\w+=", line))


def seconds(text: str) -> float:
    return float(text)


class TestSystemd:
    def test_the_unit_is_for_what_the_supervisor_says(self) -> None:
        unit = keys(SERVICE)
        assert unit["Type"] == "notify-reload"
        assert unit["NotifyAccess"] == "main"
        assert unit["KillMode"] == "mixed"
        # Twice the second between two messages, and as much again for a busy machine.
        assert seconds(unit["WatchdogSec"]) >= 4

    def test_it_waits_as_long_as_stopping_and_starting_may_take(self) -> None:
        unit = keys(SERVICE)
        assert seconds(unit["TimeoutStopSec"]) > LONGEST_STOP
        assert seconds(unit["TimeoutStartSec"]) > RecycleSettings().start_timeout

    def test_what_would_fail_again_is_not_tried_again(self) -> None:
        assert keys(SERVICE)["RestartPreventExitStatus"].split() == ["2", "3"]

    def test_its_command_is_one(self) -> None:
        words = keys(SERVICE)["ExecStart"].split()
        assert Path(words[0]).name == "penstock"
        done = subprocess.run(
            [sys.executable, "-m", "penstock", *words[1:2], "--help"], capture_output=True, text=True, check=True
        )
        assert set(re.findall(r"--[\w-]+", keys(SERVICE)["ExecStart"])) <= set(re.findall(r"--[\w-]+", done.stdout))
        assert "PENSTOCK_CONTROL" not in os.environ
        assert keys(SERVICE)["Environment"].partition("=")[0] == "PENSTOCK_CONTROL"

    def test_logs_are_reopened_by_a_signal_that_is_handled(self) -> None:
        assert set(re.findall(r"--signal=(\w+)", (DEPLOY / "logrotate.conf").read_text())) == {"SIGUSR1"} <= SIGNALS

    def test_systemd_finds_no_mistake(self, tmp_path: Path) -> None:
        """By `systemd-analyze verify` where there is one; it looks for the program and the user, so those are ours."""
        text = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable} -m penstock", SERVICE)
        text = re.sub(r"(?m)^User=.*", "User=root", text)
        program = shutil.which("systemd-analyze")
        if program is None:
            assert re.findall(r"(?m)^\[(\w+)\]$", SERVICE) == ["Unit", "Service", "Install"]
            return
        version = int(
            subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
        )
        if version < 253:
            text = text.replace("Type=notify-reload", "Type=notify\nExecReload=/bin/kill -HUP $MAINPID")
        (tmp_path / "shop.service").write_text(text)
        shutil.copy(DEPLOY / "shop.socket", tmp_path)
        units = [str(tmp_path / name) for name in ("shop.service", "shop.socket")]
        done = subprocess.run([program, "verify", *units], capture_output=True, text=True, check=False)
        ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "shop." in line]
        assert ours == []


def instructions() -> Iterator[tuple[str, str]]:
    """Those of the Dockerfile, in order: the word, and what is behind it."""
    text = re.sub(r"(?m)^#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line:
            word, _, rest = line.partition(" ")
            yield word, rest


def command_of(rest: str) -> list[str]:
    """The words of a command in exec form, with this Python in place of that of the image."""
    words: list[str] = json.loads(rest[rest.index("[") :])
    ours = {"penstock": [sys.executable, "-m", "penstock"], "python": [sys.executable]}
    return [*ours[words[0]], *words[1:]]


def environment_of_image() -> dict[str, str]:
    found: dict[str, str] = {}
    for word, rest in instructions():
        if word == "ENV":
            found |= dict(pair.split("=", 1) for pair in shlex.split(rest))
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def status_of(url: str) -> int:
    with urllib.request.urlopen(url, timeout=LIMIT) as answer:
        return int(answer.status)


def can_unshare() -> bool:
    command = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


def child_of(process: int) -> int:
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])


class TestDockerfile:
    def test_nothing_runs_as_root_and_nothing_in_a_shell(self) -> None:
        found = list(instructions())
        words = [word for word, _ in found]
        assert words[0] == "FROM"
        assert dict(found)["USER"].isdecimal()
        assert words.index("USER") < words.index("CMD")
        assert dict(found)["CMD"].startswith("[")
        assert words.count("CMD") == 1
        assert dict(found)["STOPSIGNAL"] in SIGNALS
        assert {"ENV", "RUN", "WORKDIR", "COPY", "EXPOSE", "HEALTHCHECK"} <= set(words)

    def test_its_commands_run_as_process_1(self, tmp_path: Path) -> None:
        """Start, probe and stop as an engine does it: in a process namespace where the machine allows that."""
        (tmp_path / "penstock.toml").write_text(SITE)
        (tmp_path / "shop.py").write_text(SHOP)
        found = dict(instructions())
        environment = {**os.environ, **environment_of_image(), "PORT": str(free_port())}
        prefix = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"] if can_unshare() else []
        with subprocess.Popen(
            [*prefix, *command_of(found["CMD"])],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            assert server.stdout is not None
            assert "with 2 workers" in server.stdout.readline()
            address = f"http://127.0.0.1:{environment['PORT']}"
            assert [status_of(address + path) for path in ("/", "/live", "/ready")] == [200, 200, 200]
            healthy = subprocess.run(command_of(found["HEALTHCHECK"]), env=environment, check=False)
            assert healthy.returncode == 0
            process = child_of(server.pid) if prefix else server.pid
            os.kill(process, getattr(signal, found["STOPSIGNAL"]))
            assert server.wait(LIMIT) == 0
        ill = subprocess.run(command_of(found["HEALTHCHECK"]), env=environment, capture_output=True, check=False)
        assert ill.returncode == 1


def manifests() -> dict[str, Any]:
    text = (DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")
    yaml: Any = import_module("yaml")  # by name: it brings no types
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


class TestKubernetes:
    @pytest.fixture
    def pod(self) -> dict[str, Any]:
        found: dict[str, Any] = manifests()["Deployment"]["spec"]["template"]["spec"]
        return found

    def test_the_pod_may_take_as_long_as_stopping_takes(self, pod: dict[str, Any]) -> None:
        (container,) = pod["containers"]
        words = container["lifecycle"]["preStop"]["exec"]["command"]
        assert words[0] == "sleep"
        assert pod["terminationGracePeriodSeconds"] > seconds(words[1]) + LONGEST_STOP

    def test_it_is_taken_out_of_service_before_it_is_told_to_stop(self, pod: dict[str, Any]) -> None:
        (container,) = pod["containers"]
        probe = container["readinessProbe"]
        pause = seconds(container["lifecycle"]["preStop"]["exec"]["command"][1])
        assert probe["periodSeconds"] * probe["failureThreshold"] < pause

    def test_probes_ask_for_the_paths_of_the_image_at_its_port(self, pod: dict[str, Any]) -> None:
        image = environment_of_image()
        (container,) = pod["containers"]
        asked = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
        assert asked["startup"] == asked["readiness"] == image["PENSTOCK_SERVER__HEALTH__READY"]
        assert asked["liveness"] == image["PENSTOCK_SERVER__HEALTH__LIVE"]
        assert container["ports"] == [{"name": "http", "containerPort": int(image["PORT"])}]

    def test_a_stuck_worker_is_the_supervisors_before_the_pod_is_killed(self, pod: dict[str, Any]) -> None:
        (container,) = pod["containers"]
        probe = container["livenessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] > RecycleSettings().stuck

    def test_starting_may_take_as_long_as_a_worker_may(self, pod: dict[str, Any]) -> None:
        (container,) = pod["containers"]
        probe = container["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] > RecycleSettings().start_timeout

    def test_a_new_pod_is_ready_before_an_old_one_goes(self) -> None:
        update = manifests()["Deployment"]["spec"]["strategy"]["rollingUpdate"]
        assert (update["maxUnavailable"], update["maxSurge"]) == (0, 1)

    def test_all_parts_mean_the_same_pods(self) -> None:
        found = manifests()
        labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
        assert found["Service"]["spec"]["selector"] == labels
        assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
        assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
        assert found["Service"]["spec"]["ports"][0]["targetPort"] == "http"
