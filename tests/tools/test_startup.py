from pathlib import Path

from penstock.server import build
from penstock.settings import AppSettings, ServerSettings, Settings, SiteSettings
from penstock.tools.startup import ready_lines, version_line


def application(environ: object, start_response: object) -> list[bytes]:
    return []


def test_version() -> None:
    assert version_line().startswith("penstock ")


def test_a_detected_shape_is_said() -> None:
    site = SiteSettings(apps=(AppSettings(at="/", app="shop:app"),))
    server = build(Settings(server=ServerSettings(app_dirs=()), sites=(site,)), objects={"shop:app": application})
    server.addresses = ["http://127.0.0.1:1", "unix:/run/a.sock"]
    (line,) = ready_lines("shop:app", server)
    assert line.endswith(" serving shop:app (WSGI) at http://127.0.0.1:1, unix:/run/a.sock")


def test_sites_are_named_when_there_are_several(tmp_path: Path) -> None:
    sites = (
        SiteSettings(hosts=("a.example",), apps=(AppSettings(at="/api", wsgi="shop:app"),), root=str(tmp_path)),
        SiteSettings(hosts=("*",), root=str(tmp_path)),
    )
    server = build(Settings(server=ServerSettings(app_dirs=()), sites=sites), objects={"shop:app": application})
    server.addresses = ["http://127.0.0.1:1"]
    assert list(ready_lines("penstock.toml", server))[1:] == [
        "  a.example",
        "  /api  WSGI shop:app",
        f"  /     files {tmp_path}",
        "  *",
        f"  /  files {tmp_path}",
    ]
