import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from click.testing import CliRunner
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

from penstock.tools import running
from penstock.tools.cli import main
from penstock.tools.options import Options
from penstock.tools.serve import command
from tests.tools.processes import ASGI, WSGI, run, serving, url_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(ASGI, "utf-8")
    (tmp_path / "store.py").write_text(WSGI, "utf-8")
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "index.html").write_text("<h1>public</h1>", "utf-8")
    return tmp_path


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command line hands over, instead of serving."""
    heard: dict[str, Any] = {}

    def note(target: str, options: dict[str, Any]) -> int:
        heard.update(options, target=target)
        return 0

    monkeypatch.setattr(running, "run", note)
    for name in ("PORT", "FORWARDED_ALLOW_IPS", "WEB_CONCURRENCY"):
        monkeypatch.delenv(name, raising=False)
    return heard


def invoke(*arguments: str, **variables: str) -> None:
    result = CliRunner().invoke(main, ["serve", "shop:app", *arguments], env=variables)
    assert result.exit_code == 0, result.output


class TestOptions:
    def test_every_option_of_the_settings_is_on_the_command_line(self) -> None:
        assert {each.name for each in command.params} >= set(Options.__annotations__) - {"one_process"}

    def test_every_option_is_a_variable_too(self) -> None:
        for each in command.params:
            if isinstance(each, click.Option):
                assert each.envvar is not None
                assert f"PENSTOCK_{str(each.name).upper()}" in each.envvar

    def test_from_the_environment(self, said: dict[str, Any]) -> None:
        invoke(
            PENSTOCK_BIND="127.0.0.1:1 [::1]:2", PENSTOCK_HEADER="X-A: b c\nX-D: e", PENSTOCK_LOG_LEVEL="debug",
            PENSTOCK_THREADS="7", PENSTOCK_RELOAD="1", PENSTOCK_NO_ACCESS_LOG="1", PENSTOCK_FACTORY="true",
        )  # fmt: skip
        assert said["bind"] == ("127.0.0.1:1", "[::1]:2")
        assert said["header"] == ("X-A: b c", "X-D: e")
        assert (said["log_level"], said["threads"], said["reload"]) == ("debug", 7, True)
        assert (said["access_log"], said["factory"]) == (False, True)

    def test_an_option_wins_over_the_environment(self, said: dict[str, Any]) -> None:
        invoke("--log-level", "error", "--access-log", PENSTOCK_LOG_LEVEL="debug", PENSTOCK_NO_ACCESS_LOG="1")
        assert (said["log_level"], said["access_log"]) == ("error", True)

    def test_a_place_on_the_command_line_silences_those_of_the_environment(self, said: dict[str, Any]) -> None:
        invoke("--port", "9000", PENSTOCK_BIND="127.0.0.1:1", PENSTOCK_HOST="::1", PORT="80")
        assert (said["bind"], said["host"], said["port"]) == (None, None, 9000)

    def test_port_as_gunicorn_understands_it(self, said: dict[str, Any]) -> None:
        invoke(PORT="9001")
        assert (said["host"], said["port"]) == ("0.0.0.0", 9001)

    def test_port_gives_way_to_our_own_variables(self, said: dict[str, Any]) -> None:
        invoke(PORT="9001", PENSTOCK_UDS="/run/a.sock")
        assert (said["host"], said["port"], said["uds"]) == (None, None, "/run/a.sock")
        invoke(PORT="9001", PENSTOCK_SERVER__LISTEN="127.0.0.1:7")
        assert (said["host"], said["port"]) == (None, None)

    def test_a_port_that_is_none(self, said: dict[str, Any]) -> None:
        result = CliRunner().invoke(main, ["serve", "shop:app"], env={"PORT": "tcp://10.0.0.1:80"})
        assert result.exit_code == 2
        assert "PORT is 'tcp://10.0.0.1:80'" in result.output

    @pytest.mark.parametrize(
        ("arguments", "variables", "workers"),
        [
            ((), {}, None),
            (("--workers", "3"), {}, 3),
            (("-w", "auto"), {}, "auto"),
            (("-w4",), {"PENSTOCK_WORKERS": "5", "WEB_CONCURRENCY": "6"}, 4),
            ((), {"PENSTOCK_WORKERS": "5", "WEB_CONCURRENCY": "6"}, 5),
            ((), {"WEB_CONCURRENCY": "6"}, 6),
            ((), {"WEB_CONCURRENCY": ""}, None),
            ((), {"WEB_CONCURRENCY": "6", "PENSTOCK_SERVER__WORKERS": "7"}, None),
            (("--workers", "2"), {"PENSTOCK_SERVER__WORKERS": "7"}, 2),
            (("--reload",), {"WEB_CONCURRENCY": "6"}, None),
        ],
    )
    def test_how_many_workers(
        self, arguments: tuple[str, ...], variables: dict[str, str], workers: object, said: dict[str, Any]
    ) -> None:
        """An option wins over PENSTOCK_WORKERS, that over PENSTOCK_SERVER__WORKERS and WEB_CONCURRENCY, in this order."""
        invoke(*arguments, **variables)
        assert said["workers"] == workers

    @pytest.mark.parametrize(
        ("arguments", "variables", "told"),
        [
            (("-w", "0"), {}, "Invalid value for '--workers' / '-w': it is '0', which is neither a whole number"),
            (("-w", "2000"), {}, "from 1 to 1024"),
            ((), {"WEB_CONCURRENCY": "many"}, "WEB_CONCURRENCY is 'many', which is neither a whole number from 1 to"),
            ((), {"PENSTOCK_WORKERS": "-1", "WEB_CONCURRENCY": "2"}, "PENSTOCK_WORKERS is '-1'"),
            (("-w", "2", "--reload"), {}, "leave out --reload, or --workers. With workers, `watch = true`"),
            (("--reload",), {"PENSTOCK_WORKERS": "2"}, "leave out --reload, or --workers."),
        ],
    )
    def test_numbers_of_workers_that_are_none(
        self, arguments: tuple[str, ...], variables: dict[str, str], told: str
    ) -> None:
        result = CliRunner().invoke(main, ["serve", "shop:app", *arguments], env=variables)
        assert result.exit_code == 2
        assert told in " ".join(result.output.split())

    def test_forwarded_allow_ips_of_uvicorn_and_gunicorn(self, said: dict[str, Any]) -> None:
        invoke(FORWARDED_ALLOW_IPS="10.0.0.1,10.0.0.2")
        assert said["forwarded_allow_ips"] == "10.0.0.1,10.0.0.2"

    def test_the_environment_file_comes_before_the_options(self, said: dict[str, Any], tmp_path: Path) -> None:
        path = tmp_path / ".env"
        path.write_text("PENSTOCK_LOG_LEVEL=warning\n", "utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("PENSTOCK_LOG_LEVEL", raising=False)
            invoke("--env-file", str(path))
            patch.setenv("PENSTOCK_LOG_LEVEL", "")
        assert said["log_level"] == "warning"

    @pytest.mark.parametrize(
        ("option", "text"),
        [
            ("--timeout", "whose event loop has not turned for 30 seconds"),
            ("--preload", "nothing is forked"),
            ("-k", "-k/--worker-class is not needed"),
            ("--keep-alive", "Here it is called --timeout-keep-alive."),
            ("--prot", "--port"),
        ],
    )
    def test_options_that_are_not_there(self, option: str, text: str) -> None:
        result = CliRunner().invoke(main, ["serve", "shop:app", option, "4"])
        assert result.exit_code == 2
        assert text in result.output

    def test_nothing_to_serve(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]) -> None:
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(main, ["serve"])
        assert (result.exit_code, said) == (2, {})
        assert "What is to be served?" in result.output
        (tmp_path / "penstock.toml").touch()
        assert CliRunner().invoke(main, ["serve"]).exit_code == 0
        assert said["target"] == "penstock.toml"


class TestTargets:
    def test_one_line_with_the_address(self, folder: Path) -> None:
        with serving("shop:app", "--bind", "127.0.0.1:0", "--no-access-log", folder=folder) as (process, line):
            assert line.startswith("penstock ")
            assert " serving shop:app (ASGI) at http://127.0.0.1:" in line
            assert httpx.get(url_in(line)).status_code == 200
            process.terminate()
            output, errors = process.communicate(timeout=30)
            assert (process.returncode, output, errors) == (0, "", "")

    @pytest.mark.parametrize(
        ("arguments", "shape", "body"),
        [
            (["store:app"], "WSGI", "|/x"),
            (["store:app", "--threads", "0", "--root-path", "/s"], "WSGI", "/s|/x"),
            (["store:app", "--interface", "wsgi"], "WSGI", "|/x"),
            (["shop:make", "--factory"], "ASGI", "|/x|http|"),
            (["shop:app", "--interface", "asgi", "--root-path", "/s"], "ASGI", "/s|/s/x|http|"),
        ],
    )
    def test_shapes(self, folder: Path, arguments: list[str], shape: str, body: str) -> None:
        with serving(*arguments, "--port", "0", folder=folder) as (_, line):
            assert f"({shape})" in line
            assert httpx.get(f"{url_in(line)}/x").text.startswith(body)

    def test_a_folder(self, folder: Path) -> None:
        with serving("public", "--port", "0", folder=folder) as (_, line):
            assert "serving public (files) at" in line
            assert httpx.get(url_in(line)).text == "<h1>public</h1>"

    def test_a_site_file_says_what_is_where(self, folder: Path) -> None:
        (folder / "penstock.toml").write_text(
            '[[site]]\nroot = "public"\n[[site.app]]\nat = "/api"\napp = "shop:app"\n', "utf-8"
        )
        with serving("--port", "0", folder=folder) as (process, line):
            assert "serving penstock.toml at http://127.0.0.1:" in line
            assert process.stdout is not None
            assert process.stdout.readline() == "  /api  ASGI shop:app\n"
            assert process.stdout.readline() == f"  /     files {folder / 'public'}\n"
            assert httpx.get(f"{url_in(line)}/api/x").text.startswith("/api|/api/x")

    def test_app_dir(self, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        with serving("shop:app", "--app-dir", str(folder), "--port", "0", folder=elsewhere) as (_, line):
            assert httpx.get(url_in(line)).status_code == 200


class TestRunning:
    def test_several_places(self, folder: Path) -> None:
        path = folder / "shop.sock"
        with serving("shop:app", "-b", "127.0.0.1:0", "-b", f"unix:{path}", folder=folder) as (_, line):
            first, second = url_in(line).split(", ")
            assert second == f"unix:{path}"
            assert httpx.get(first).status_code == 200
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
                assert client.get("http://shop.example/").status_code == 200
        assert not path.exists()

    def test_headers_and_the_environments_overrides(self, folder: Path) -> None:
        variables = {"PENSTOCK_SERVER__SERVER_HEADER": "false"}
        with serving("shop:app", "--port", "0", "--header", "X-A: b", folder=folder, **variables) as (_, line):
            headers = httpx.get(url_in(line)).headers
            assert headers["x-a"] == "b"
            assert "server" not in headers

    def test_proxies_that_are_believed(self, folder: Path) -> None:
        forwarded = {"x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https"}
        with serving("shop:app", "--port", "0", folder=folder) as (_, line):
            assert "|https|('9.9.9.9'," in httpx.get(url_in(line), headers=forwarded).text
        with serving("shop:app", "--port", "0", "--forwarded-allow-ips", "10.0.0.1", folder=folder) as (_, line):
            assert "|http|('127.0.0.1'," in httpx.get(url_in(line), headers=forwarded).text

    def test_access_log_format(self, folder: Path) -> None:
        arguments = ["shop:app", "--port", "0", "--access-log-format", "%(m)s %(s)s"]
        with serving(*arguments, folder=folder) as (process, line):
            httpx.get(f"{url_in(line)}/x")
            process.terminate()
            assert process.communicate(timeout=30)[0] == "GET 200\n"

    def test_workers_by_the_variable_of_platforms(self, folder: Path) -> None:
        with serving("shop:app", "--port", "0", folder=folder, WEB_CONCURRENCY="2") as (process, line):
            assert line.endswith(" with 2 workers")
            assert httpx.get(url_in(line.removesuffix(" with 2 workers"))).status_code == 200
            process.terminate()
            assert process.wait(timeout=20) == 0

    @pytest.mark.parametrize("more", [(), ("--reload",), ("--workers", "1")])
    def test_the_process_id_is_in_its_file_while_it_runs(self, more: tuple[str, ...], folder: Path) -> None:
        path = folder / "shop.pid"
        with serving("shop:app", "--port", "0", "--pid", "shop.pid", *more, folder=folder) as (process, _):
            assert path.read_text("ascii") == f"{process.pid}\n"
            process.terminate()
            assert process.wait(timeout=20) == 0
        assert not path.exists()

    def test_limit_max_requests(self, folder: Path) -> None:
        with serving("shop:app", "--port", "0", "--limit-max-requests", "2", folder=folder) as (process, line):
            httpx.get(url_in(line))
            httpx.get(url_in(line))
            assert process.wait(timeout=30) == 0

    def test_log_config(self, folder: Path) -> None:
        (folder / "log.json").write_text(
            '{"version": 1, "handlers": {"file": {"class": "logging.FileHandler", "filename": "log.txt"}},'
            ' "loggers": {"penstock": {"handlers": ["file"]}}}',
            "utf-8",
        )
        with serving("shop:app", "--port", "0", "--log-config", "log.json", folder=folder) as (_, line):
            httpx.get(f"{url_in(line)}/%")
        assert "refused with 400" in (folder / "log.txt").read_text("utf-8")

    def test_a_port_that_is_taken(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = run("serve", "shop:app", "--port", str(port), folder=folder)
        assert done.returncode == 2
        assert f"127.0.0.1:{port} is already in use" in done.stderr

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_drains_and_a_second_one_stops_at_once(self, folder: Path, number: signal.Signals) -> None:
        (folder / "slow.py").write_text(
            "import asyncio\nasync def app(scope, receive, send):\n"
            "    if scope['type'] != 'http':\n        raise RuntimeError\n"
            "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
            "    await send({'type': 'http.response.body', 'body': b'begun', 'more_body': True})\n"
            "    await asyncio.sleep(60)\n",
            "utf-8",
        )
        with (
            serving("slow:app", "--port", "0", folder=folder) as (process, line),
            socket.create_connection(("127.0.0.1", int(line.rpartition(":")[2]))) as client,
        ):
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            received = client.recv(4096)
            while b"begun" not in received:
                received += client.recv(4096)
            process.send_signal(number)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.5)
            process.send_signal(number)
            assert process.wait(timeout=10) == 0


class TestWebSockets:
    ECHO = """
async def echo(websocket):
    async for message in websocket:
        await websocket.send(message)
    print("closed with", websocket.close_code, flush=True)
"""

    def test_a_coroutine_function_is_served_and_its_sockets_are_closed_at_the_end(self, tmp_path: Path) -> None:
        """websockets PY-12: Close 1001 leaves at once, and whoever answers it lets the server end."""
        (tmp_path / "echo.py").write_text(self.ECHO, "utf-8")
        with serving("echo:echo", "--port", "0", folder=tmp_path) as (process, line):
            assert "serving echo:echo (websocket) at http://127.0.0.1:" in line
            with connect(url_in(line).replace("http", "ws", 1)) as client:
                client.send("hello")
                assert client.recv() == "hello"
                process.terminate()
                with pytest.raises(ConnectionClosedOK) as caught:
                    client.recv(timeout=20)
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1001
            output = process.communicate(timeout=30)[0]
            assert "closed with" in output
            assert process.returncode == 0

    def test_a_function_that_could_never_be_called_is_told_at_start(self, tmp_path: Path) -> None:
        (tmp_path / "echo.py").write_text("async def echo(websocket):\n    yield websocket\n", "utf-8")
        done = run("serve", "echo:echo", folder=tmp_path)
        assert done.returncode == 2
        assert "websocket echo:echo has a `yield` in it" in done.stderr
