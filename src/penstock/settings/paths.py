"""Files and folders that the site file names: made absolute, and looked for."""

from collections.abc import Callable, Container
from pathlib import Path

from penstock.settings.names import suggest
from penstock.settings.positions import KeyPath
from penstock.settings.shape import Report, Table, name_of


class PathResolver:
    """Makes paths absolute, relative to `folder`, and reports those that lead nowhere."""

    def __init__(self, folder: Path, report: Report) -> None:
        self._folder = folder
        self._report = report

    def _resolve_key(self, table: Table, key: str, *, path: KeyPath, judge: Callable[[Path], str]) -> None:
        if table.get(key):
            table[key] = self._found(table[key], path=(*path, key), judge=judge)

    def _found(self, text: str, *, path: KeyPath, judge: Callable[[Path], str]) -> str:
        absolute = self._absolute(text)
        if problem := judge(absolute):
            self._report(path, f"{name_of(path)}: {problem}")
        return str(absolute)

    def _absolute(self, text: str) -> Path:
        return (self._folder / Path(text).expanduser()).absolute()  # links stay: a virtual environment's Python is one


class Paths(PathResolver):
    """Resolves those of a judged tree, but for the ones of pools and of the supervisor."""

    def __init__(self, folder: Path, report: Report, *, refused: Container[KeyPath]) -> None:
        super().__init__(folder, report)
        self._refused = refused

    def resolve(self, tree: Table) -> None:
        """Change `tree` in place."""
        server = tree.setdefault("server", {})
        self._resolve_list(server, "app_dirs", path=("server",))
        self._resolve_list(server, "listen", path=("server",))
        self._resolve_tls(server, path=("server",))
        self._resolve_access_file(server.get("log", {}))
        for number, site in enumerate(tree.get("site", [])):
            path: KeyPath = ("site", number)
            self._resolve_tls(site, path=path)
            self._resolve_key(site, "root", path=path, judge=judge_folder)
            self._resolve_key(site, "offline_file", path=path, judge=judge_new_file)
            self._judge_fallback(site, path=path)
            for index, proxy in enumerate(site.get("proxy", [])):
                self._resolve_list(proxy, "to", path=path)
                self._resolve_key(proxy, "ca", path=(*path, "proxy", index), judge=judge_certificates)
            for index, location in enumerate(site.get("location", [])):
                for number, page in enumerate(location.get("errors", [])):
                    place: KeyPath = (*path, "location", index, "errors", number)
                    self._resolve_key(page, "file", path=place, judge=judge_file)
        self._resolve_traces(server, is_wanted=any(site.get("trace") for site in tree.get("site", [])))

    def _resolve_list(self, server: Table, key: str, *, path: KeyPath) -> None:
        if key == "app_dirs":
            server.setdefault(key, ["."])
        for index, text in enumerate(server.get(key, [])):
            if key == "app_dirs":
                server[key][index] = self._found(text, path=(*path, key, index), judge=judge_folder)
            elif text.startswith(("unix:", "fcgi+unix:")):
                kind, _, socket_path = text.partition("unix:")
                server[key][index] = f"{kind}unix:{self._absolute(socket_path.removeprefix('//'))}"

    def _resolve_tls(self, owner: Table, *, path: KeyPath) -> None:
        for key in ("certificate", "key"):
            self._resolve_key(owner.get("tls") or {}, key, path=(*path, "tls"), judge=judge_file)

    def _resolve_access_file(self, log: Table) -> None:
        if log.get("access_file"):
            log["access_file"] = str(self._absolute(log["access_file"]))
            if problem := judge_folder(Path(log["access_file"]).parent):
                self._report(("server", "log", "access_file"), f"access_file: {problem}")

    def _resolve_traces(self, server: Table, *, is_wanted: bool) -> None:
        log = server.get("log", {})
        if log.get("traces"):
            log["traces"] = str(self._absolute(log["traces"]))
            if problem := judge_new_folder(Path(log["traces"])):
                self._report(("server", "log", "traces"), f"traces: {problem}")
        elif is_wanted:
            server.setdefault("log", {})["traces"] = str(self._absolute("traces"))

    def _judge_fallback(self, site: Table, *, path: KeyPath) -> None:
        fallback = site.get("files", {}).get("fallback")
        if not fallback or (*path, "root") in self._refused:
            return
        place: KeyPath = (*path, "files", "fallback")
        if not site.get("root"):
            self._report(place, "fallback is a file below root, and this site has no root")
        elif Path(fallback).is_absolute() or ".." in Path(fallback).parts:
            self._report(place, f'fallback: "{fallback}" must lie below root')
        elif Path(site["root"]).is_dir() and (problem := judge_file(Path(site["root"], fallback))):
            self._report(place, f"fallback: {problem}")


def judge_folder(path: Path) -> str:
    """What is wrong with a folder that must be there; "" means nothing."""
    if path.is_dir():
        return ""
    return f'"{path}" is a file, not a folder' if path.exists() else missing("folder", path)


def judge_new_file(path: Path) -> str:
    """What is wrong with a file that need not be there yet."""
    if path.is_dir():
        return f'"{path}" is a folder, not a file'
    return judge_folder(path.parent)


def judge_new_folder(path: Path) -> str:
    """What is wrong with a folder that need not be there yet."""
    return judge_folder(path if path.exists() else path.parent)


def judge_certificates(path: Path) -> str:
    """What is wrong with a file of certificates in PEM (RFC 7468) that must be there."""
    if problem := judge_file(path):
        return problem
    try:
        is_pem = b"-----BEGIN CERTIFICATE-----" in path.read_bytes()
    except OSError as error:
        return f'"{path}" cannot be read: {error.strerror}'
    return "" if is_pem else f'"{path}" has no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----'


def judge_file(path: Path) -> str:
    """What is wrong with a file that must be there."""
    if path.is_file():
        return ""
    return f'"{path}" is a folder, not a file' if path.is_dir() else missing("file", path)


def missing(kind: str, path: Path) -> str:
    """That there is none, and what is near."""
    try:
        near = suggest(path.name, (neighbour.name for neighbour in path.parent.iterdir()))
    except OSError:
        near = ""
    return f'there is no {kind} "{path}"{near}'
