"""Which files answer a request path: the one it names, or a folder's document, and the compressed ones beside it."""

from collections.abc import Sequence
from typing import Final

from penstock.errors import HTTPError
from penstock.request_handlers.content_types import is_compressible
from penstock.request_handlers.file_names import split_path
from penstock.request_handlers.file_tree import FileTree, OpenFile

CODINGS: Final = {"br": b"br", "zst": b"zstd", "gz": b"gzip"}
"""The content coding of files with these endings (RFC 9110 section 8.4.1, RFC 7932, RFC 8878)."""

PLAIN: Final = b""


class NoDocument(HTTPError):
    """The path is a folder's, and the folder has no document to show; there is no listing of folders (pipeline F-01)."""


class Located:
    """The open files that can answer one path, by content coding; the plain one under b"". Close it when done.

    `effective_path` is the path of the plain file, another than asked for when it is a folder's document. Without any
    file the path names a folder and lacks its slash.
    """

    __slots__ = ("effective_path", "files", "name")

    def __init__(self, effective_path: str, files: dict[bytes, OpenFile]) -> None:
        self.effective_path = effective_path
        self.name = effective_path.rpartition("/")[2]
        self.files = files

    @property
    def signature(self) -> tuple[object, ...]:
        """Give what differs when any of the files was written, replaced, added or removed."""
        return (self.effective_path, *[(coding, file.signature) for coding, file in self.files.items()])

    def close(self) -> None:
        """Close what is still open."""
        for file in self.files.values():
            file.close()


class FileLookup:
    """Finds files for paths below a root (pipeline F-01, F-07)."""

    __slots__ = ("_default_documents", "_endings", "_tree")

    def __init__(self, tree: FileTree, *, default_documents: Sequence[str], precompressed: Sequence[str]) -> None:
        self._tree = tree
        self._default_documents = tuple(default_documents)
        self._endings = tuple(precompressed)

    def can_have_siblings(self, name: str) -> bool:
        """Tell whether compressed files are looked for beside a file of this name."""
        return bool(self._endings) and is_compressible(name)

    def locate(self, path: str) -> Located:
        """Open what answers `path`. Raises NoDocument, and HTTPError as `FileTree.open`, with 404 for what is not there."""
        segments = split_path(path)
        if segments is None:
            raise HTTPError(404)
        is_folder_path = segments[-1] == ""
        if is_folder_path:
            segments.pop()
        file = self._tree.open(segments)
        if file is None or (is_folder_path and not file.is_folder):
            if file is not None:
                file.close()
            raise HTTPError(404)
        if not file.is_folder:
            return self._with_siblings(segments, file)
        return self._locate_document(segments) if is_folder_path else Located(path, {})

    def _locate_document(self, folder: list[str]) -> Located:
        for document in self._default_documents:
            segments = [*folder, document]
            file = self._tree.open(segments)
            if file is not None and not file.is_folder:
                return self._with_siblings(segments, file)
        raise NoDocument(403, "this folder has no document to show")

    def _with_siblings(self, segments: list[str], file: OpenFile) -> Located:
        files = {PLAIN: file}
        located = Located("/" + "/".join(segments), files)
        if not is_compressible(segments[-1]):
            return located
        try:
            for ending in self._endings:
                sibling = self._tree.open([*segments[:-1], f"{segments[-1]}.{ending}"])
                if sibling is not None and not sibling.is_folder:
                    files[CODINGS[ending]] = sibling
        except HTTPError as error:
            if error.status != 403:
                located.close()
                raise
            # A compressed file that may not be read is as good as none.
        except OSError:
            located.close()
            raise
        return located
