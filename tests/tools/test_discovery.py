from pathlib import Path

import pytest

from penstock.tools.discovery import find_applications, find_static_folder


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("text", "framework", "shape"),
    [
        ("from fastapi import FastAPI\napp = FastAPI()", "FastAPI", "asgi"),
        ("import fastapi\napp: fastapi.FastAPI = fastapi.FastAPI(title='x')", "FastAPI", "asgi"),
        ("app = Starlette(routes=[])", "Starlette", "asgi"),
        ("app = Flask(__name__)", "Flask", "wsgi"),
        ("app = get_wsgi_application()", "Django", "wsgi"),
        ("app = get_asgi_application()", "Django", "asgi"),
    ],
)
def test_frameworks(tmp_path: Path, text: str, framework: str, shape: str) -> None:
    write(tmp_path, "shop/main.py", text)
    (found,) = find_applications(tmp_path)
    assert (found.framework, found.shape, found.reference, found.factory) == (framework, shape, "shop.main:app", False)


def test_nothing_is_imported(tmp_path: Path) -> None:
    write(tmp_path, "main.py", "raise SystemExit\napp = Flask(__name__)")
    assert [one.reference for one in find_applications(tmp_path)] == ["main:app"]


def test_factories(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "def create_app(config=None):\n    app = Flask(__name__)\n    return app")
    write(tmp_path, "b.py", "def create_app(config):\n    return Flask(__name__)")
    (found,) = find_applications(tmp_path)
    assert (found.reference, found.factory) == ("a:create_app", True)


def test_names_of_modules(tmp_path: Path) -> None:
    write(tmp_path, "shop/__init__.py", "app = Flask(__name__)")
    write(tmp_path, "src/store/api.py", "app = FastAPI()")
    write(tmp_path, "my-shop/main.py", "app = FastAPI()")
    assert [one.reference for one in find_applications(tmp_path)] == ["shop:app", "store.api:app"]


def test_of_djangos_two_shapes_one_is_taken(tmp_path: Path) -> None:
    write(tmp_path, "mysite/asgi.py", "application = get_asgi_application()")
    write(tmp_path, "mysite/wsgi.py", "application = get_wsgi_application()")
    assert [one.reference for one in find_applications(tmp_path)] == ["mysite.wsgi:application"]


def test_what_is_passed_over(tmp_path: Path) -> None:
    for name in (".venv/x.py", "tests/app.py", "node_modules/x/app.py", "a/b/c/d/e/f.py"):
        write(tmp_path, name, "app = Flask(__name__)")
    write(tmp_path, "myenv/pyvenv.cfg", "")
    write(tmp_path, "myenv/lib.py", "app = Flask(__name__)")
    write(tmp_path, "broken.py", "app = = Flask(")
    write(tmp_path, "null.py", "app = 1\0")
    write(tmp_path, "local.py", "def f():\n    app = Flask(__name__)")
    assert find_applications(tmp_path) == []


def test_static_folder(tmp_path: Path) -> None:
    assert find_static_folder(tmp_path) is None
    (tmp_path / "static").mkdir()
    assert find_static_folder(tmp_path) == "static"
