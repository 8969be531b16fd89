from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.settings.loader import load
from penstock.tools.cli import main


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "mysite/wsgi.py": "application = get_wsgi_application()",
        "api/main.py": "app = FastAPI()",
        "pages.py": "def create_app():\n    return Flask(__name__)",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "public").mkdir()
    return tmp_path


def test_what_is_written_is_a_site_file_without_mistakes(project: Path) -> None:
    result = CliRunner().invoke(main, ["init", str(project)])
    assert result.exit_code == 0, result.output
    assert "found Django: mysite.wsgi:application" in result.output
    (site,) = load(project / "penstock.toml", {}).sites
    assert {(app.at, app.asgi or app.wsgi, app.factory) for app in site.apps} == {
        ("/api", "api.main:app", False),
        ("/mysite", "mysite.wsgi:application", False),
        ("/pages", "pages:create_app", True),
    }
    assert site.root == str(project / "public")


def test_a_single_application_is_at_the_root(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "shop.py").write_text("app = Flask(__name__)", "utf-8")
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    settings = load(tmp_path / "penstock.toml", {})
    assert settings.sites[0].apps[0].at == "/"
    assert settings.server.app_dirs == (str(tmp_path / "src"), str(tmp_path))


def test_mounts_do_not_clash(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("a = Flask(__name__)\nb = FastAPI()", "utf-8")
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    assert [app.at for app in load(tmp_path / "penstock.toml", {}).sites[0].apps] == ["/shop", "/shop-2"]


def test_an_empty_folder_gets_examples_in_comments(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    (site,) = load(tmp_path / "penstock.toml", {}).sites
    assert (site.apps, site.root) == ((), "")
    assert "# [[site.app]]" in (tmp_path / "penstock.toml").read_text("utf-8")


def test_the_comments_can_be_uncommented(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    path = tmp_path / "penstock.toml"
    (tmp_path / "public").mkdir()
    (tmp_path / "cert.pem").touch()
    (tmp_path / "key.pem").touch()
    lines = path.read_text("utf-8").splitlines()
    body = lines.index("[server]")
    path.write_text("\n".join(line.removeprefix("# ") for line in lines[body:]), "utf-8")
    settings = load(path, {})
    assert settings.sites[0].locations[0].limits.body == 1_000_000
    assert settings.server.tls is not None


def test_a_file_that_is_there_stays(project: Path) -> None:
    path = project / "penstock.toml"
    path.write_text("mine", "utf-8")
    result = CliRunner().invoke(main, ["init", str(project)])
    assert result.exit_code == 2
    assert "--force" in result.output
    assert path.read_text("utf-8") == "mine"
    assert CliRunner().invoke(main, ["init", str(project), "--force"]).exit_code == 0
    assert "[[site.app]]" in path.read_text("utf-8")
