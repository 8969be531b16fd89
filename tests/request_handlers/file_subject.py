"""What the tests of files ask: a folder with files, and what is found in it."""

import os
from collections.abc import Sequence
from pathlib import Path

from penstock.request_handlers.file_lookup import FileLookup
from penstock.request_handlers.file_tree import FileTree

MODIFIED = 1_700_000_000


def write(folder: Path, *names: str, content: bytes | None = None, modified: float = MODIFIED) -> None:
    """Files that hold their own names, unless `content` is given."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() if content is None else content)
        os.utime(path, ns=(int(modified * 1e9), int(modified * 1e9)))


def lookup_in(
    folder: Path, *, documents: Sequence[str] = ("index.html",), precompressed: Sequence[str] = ("br", "gz")
) -> FileLookup:
    return FileLookup(FileTree(str(folder)), default_documents=documents, precompressed=precompressed)
