"""This file is how applications are found in a folder without importing anything: by reading its Python files."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Shape = Literal["asgi", "wsgi"]

# Calls whose result is an application, by the last part of the called name.
_MAKERS: Final[dict[str, tuple[str, Shape]]] = {
    "FastAPI": ("FastAPI", "asgi"),
    "Starlette": ("Starlette", "asgi"),
    "Litestar": ("Litestar", "asgi"),
    "Quart": ("Quart", "asgi"),
    "get_asgi_application": ("Django", "asgi"),
    "Flask": ("Flask", "wsgi"),
    "Bottle": ("Bottle", "wsgi"),
    "get_wsgi_application": ("Django", "wsgi"),
}
_FACTORIES: Final = ("create_app", "make_app")
_PASSED_OVER: Final = frozenset(
    {"node_modules", "site-packages", "__pycache__", "tests", "test", "build", "dist", "venv", "env"}
)
_STATIC_FOLDERS: Final = ("public", "static", "www", "htdocs")
_DEEPEST: Final = 4  # folders below the project's own
_LARGEST: Final = 1_000_000  # bytes; a larger file is generated


@dataclass(frozen=True, slots=True)
class Found:
    """One application: its framework, its shape, its import reference, whether it must be called, its file."""

    framework: str
    shape: Shape
    reference: str
    factory: bool
    file: Path


def find_applications(folder: Path) -> list[Found]:
    """The applications in `folder`, in the order of their files; of a Django project that has both shapes the WSGI one."""
    found = [one for path in sorted(_python_files(folder)) for one in _applications_in(path, folder)]
    has_wsgi = {one.file.parent for one in found if one.framework == "Django" and one.shape == "wsgi"}
    return [
        one for one in found if not (one.framework == "Django" and one.shape == "asgi" and one.file.parent in has_wsgi)
    ]


def find_static_folder(folder: Path) -> str | None:
    """The name of the folder of files that a site usually has, if it is there."""
    return next((name for name in _STATIC_FOLDERS if (folder / name).is_dir()), None)


def _python_files(folder: Path, depth: int = 0) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_file() and path.suffix == ".py" and path.stat().st_size < _LARGEST:
            yield path
        elif path.is_dir() and depth < _DEEPEST and _is_searched(path):
            yield from _python_files(path, depth + 1)


def _is_searched(folder: Path) -> bool:
    is_environment = (folder / "pyvenv.cfg").exists()
    return not (folder.name.startswith(".") or folder.name in _PASSED_OVER or is_environment or folder.is_symlink())


def _applications_in(path: Path, folder: Path) -> Iterator[Found]:
    module = _module_name(path, folder)
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # a file that cannot be read holds nothing that could be served
    if module is None:
        return
    for statement in tree.body:
        for name, made, factory in _made_by(statement):
            yield Found(*_MAKERS[made], reference=f"{module}:{name}", factory=factory, file=path)


def _made_by(statement: ast.stmt) -> Iterator[tuple[str, str, bool]]:
    """The names that `statement` gives to applications: name, what makes it, whether it must be called first."""
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=value)
        ):
            if made := _maker(value):
                yield name, made, False
        case ast.FunctionDef(name=name) if name in _FACTORIES and not _required_arguments(statement):
            if made := next(filter(None, map(_maker, ast.walk(statement))), None):
                yield name, made, True


def _maker(node: ast.AST | None) -> str | None:
    """The name of the maker that `node` calls, if it does."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _MAKERS:
            return name
    return None


def _required_arguments(function: ast.FunctionDef) -> int:
    arguments = function.args
    without_default = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    return without_default + arguments.kw_defaults.count(None)


def _module_name(path: Path, folder: Path) -> str | None:
    """The dotted name under which `path` can be imported from `folder` or from its `src`."""
    parts = list(path.relative_to(folder).with_suffix("").parts)
    if parts[0] == "src" and len(parts) > 1:
        parts = parts[1:]
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None
