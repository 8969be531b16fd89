"""Programs, folders and sockets of pools and of the supervisor: made absolute, and looked for."""

import os
from pathlib import Path
from shutil import which

from penstock.settings.paths import PathResolver, judge_folder, judge_new_file, missing
from penstock.settings.positions import KeyPath
from penstock.settings.shape import Table

# unix(7): sun_path has 108 bytes with the zero at its end, 104 on macOS and the BSDs; as the control socket has it
LONGEST_SOCKET = 100


class PoolPaths(PathResolver):
    """Resolves those of pools and of the supervisor in a judged tree."""

    def resolve(self, tree: Table) -> None:
        """Change `tree` in place."""
        server: Table = tree.get("server", {})
        self._resolve_key(server, "pid_file", path=("server",), judge=judge_new_file)
        self._resolve_key(server.get("control") or {}, "socket", path=("server", "control"), judge=_judge_socket)
        self._resolve_program(server.get("recycle", {}), "orphan", path=("server", "recycle"))
        for index, pool in enumerate(tree.get("pool", [])):
            self._resolve_pool(pool, path=("pool", index))
        for number, site in enumerate(tree.get("site", [])):
            for index, app in enumerate(site.get("app", [])):
                self._resolve_key(app, "offline_file", path=("site", number, "app", index), judge=judge_new_file)

    def _resolve_pool(self, pool: Table, *, path: KeyPath) -> None:
        self._resolve_program(pool, "python", path=path)
        self._resolve_program(pool.get("recycle", {}), "orphan", path=(*path, "recycle"))
        self._resolve_key(pool, "directory", path=path, judge=judge_folder)
        folders = pool.setdefault("app_dirs", ["."])
        for index, text in enumerate(folders):
            folders[index] = self._found(text, path=(*path, "app_dirs", index), judge=judge_folder)

    def _resolve_program(self, table: Table, key: str, *, path: KeyPath) -> None:
        """A program that is named without a slash is one of the search path, unless it lies beside the site file."""
        text: str = table.get(key, "")
        is_name = os.sep not in text and not self._absolute(text).exists()
        if text and is_name and (found := which(text)):
            table[key] = found
        else:
            self._resolve_key(table, key, path=path, judge=_judge_program)


def judge_socket_length(path: str) -> str:
    """What is wrong with the length of a Unix socket's path, in bytes; "" means nothing."""
    length = len(os.fsencode(path))
    if length <= LONGEST_SOCKET:
        return ""
    return f'"{path}" has {length} bytes, and the path of a socket has {LONGEST_SOCKET} at most: take a shorter one'


def _judge_socket(path: Path) -> str:
    return judge_socket_length(str(path)) or judge_new_file(path)


def _judge_program(path: Path) -> str:
    if path.is_dir():
        inner = path / "bin" / "python"
        advice = f': write "{inner}"' if inner.is_file() else ", not a program"
        return f'"{path}" is a folder{advice}'
    if not path.exists():
        return missing("program", path) + _venv_advice(path)
    return "" if os.access(path, os.X_OK) else f'"{path}" cannot be executed: chmod +x makes it a program'


def _venv_advice(path: Path) -> str:
    """What makes a Python that is missing, when it would be that of a virtual environment which is not there at all."""
    environment = path.parent.parent
    if path.parent.name != "bin" or not path.name.startswith("python") or environment.exists():
        return ""
    return f": make it with python3 -m venv {environment}"
