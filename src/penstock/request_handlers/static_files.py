"""The handler that answers with files below a root (pipeline section 13)."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import quote

from penstock.errors import HTTPError
from penstock.http.conditional import PRECONDITION_FIELDS
from penstock.http.encodings import accepts_explicitly
from penstock.pipeline.context import Context
from penstock.request_handlers.file_answers import answer_file, set_head
from penstock.request_handlers.file_cache import FileCache
from penstock.request_handlers.file_choices import EncodingChoices
from penstock.request_handlers.file_finder import FileFinder
from penstock.request_handlers.file_lookup import FileLookup, NoDocument
from penstock.request_handlers.file_names import has_ending, split_path
from penstock.request_handlers.file_resources import Fields, Resource
from penstock.request_handlers.file_tree import FileTree

ALLOW: Final = (b"allow", b"GET, HEAD, OPTIONS")

# The fields that lead away from the shortest way: all others are not looked at.
_READ_FIELDS: Final = PRECONDITION_FIELDS | {b"range", b"if-range", b"accept-encoding"}
_NO_FIELDS: Final[dict[bytes, bytes]] = {}
_VARY_ACCEPT: Final = (b"vary", b"accept")
# RFC 3986 section 3.3: pchar, and the slash between segments.
_PATH_SAFE: Final = "/:@!$&'()*+,;=~"


class StaticFiles:
    """A handler for the files below `root`, a folder. One object answers every request of a site.

    `default_documents`: files that answer for a folder, the first that exists. `fallback`: the file below root that
    answers unknown paths without an ending to clients that accept text/html, "" for none. `precompressed`: endings
    ("br", "zst", "gz") of compressed files that may lie beside a file, in order of preference. `cache_control`: that
    header's value, "" for none. `cache_size`: bytes of small files kept in memory. `follow_symlinks`: whether links may
    lead out of root. `clock` gives seconds that only grow, `time_of_day` seconds since 1970.

    A change of a file shows within `file_finder.RECHECK` seconds. The path of the file that answers, where it is another
    than asked for, is `context.effective_path` (pipeline F-07); `map_handler` puts the request under the rules of that path.

    It is a step of stage EXECUTE as it stands: put it into a plan without wrapping it. It writes the response itself, and
    the fields that native handlers get by default (pipeline H-10), such as Cache-Control, are not meant for files.
    """

    __slots__ = ("_choices", "_clock", "_fallback", "_finder", "_resources", "_time_of_day", "_tree")

    def __init__(
        self,
        root: str,
        *,
        default_documents: Sequence[str] = ("index.html",),
        fallback: str = "",
        precompressed: Sequence[str] = ("br", "zst", "gz"),
        cache_control: str = "",
        cache_size: int = 64_000_000,
        follow_symlinks: bool = False,
        clock: Callable[[], float] = time.monotonic,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        common: Fields = [(b"cache-control", cache_control.encode("latin-1"))] if cache_control else []
        cache = FileCache(cache_size)
        self._tree = FileTree(root, follow_symlinks=follow_symlinks)
        lookup = FileLookup(self._tree, default_documents=default_documents, precompressed=precompressed)
        self._finder = FileFinder(lookup, cache, common=common, clock=clock, time_of_day=time_of_day)
        self._resources = cache.resources
        self._fallback = "/" + fallback.lstrip("/") if fallback else ""
        self._choices = EncodingChoices()
        self._clock = clock
        self._time_of_day = time_of_day

    def __call__(self, context: Context) -> Awaitable[None] | None:
        """Answer with the file that the path names.

        Raises HTTPError: 404, 403 for a folder without a document, 405, 412, 503. Gives an awaitable when several parts
        of a large file have to be streamed.
        """
        head = context.worker_request.head
        method = head.method
        if method != "GET" and method != "HEAD":
            _answer_other_method(context, method)
            return None
        resource = self._resources.get(head.path)
        if resource is None or self._clock() >= resource.valid_until:
            resource = self._find(context, head.path)
            if resource is None:
                _redirect_to_folder(context, head.path)
                return None
        for field in head.headers:
            if field[0] in _READ_FIELDS:
                return self._answer(context, resource, fields=_collect(head.headers))
        plain = resource.plain
        response = context.response
        if plain.body is None or resource.is_elsewhere or response.raw_headers:
            return self._answer(context, resource, fields=_NO_FIELDS)
        # The shortest way, the one that is compared with other servers: a small file, nothing special about the request.
        response.raw_headers.extend(plain.head)
        response.content = plain.body
        return None

    def map_handler(self, context: Context) -> None:
        """The last step of MAP_HANDLER: what answers for another path is subject to the rules of its own (pipeline F-07)."""
        head = context.worker_request.head
        if head.method != "GET" and head.method != "HEAD":
            return
        try:
            resource = self._finder.find(head.path)
        except HTTPError as error:
            resource = self._find_fallback(context, error)
        if resource is not None and resource.effective_path != context.effective_path:
            context.apply_rules_of(resource.effective_path)

    def _find(self, context: Context, path: str) -> Resource | None:
        try:
            return self._finder.find(path)
        except HTTPError as error:
            resource = self._find_fallback(context, error)
            if resource is None:
                raise
        context.rest.effective_path = resource.effective_path
        # Others get a 404 at the same path.
        context.response.raw_headers.append(_VARY_ACCEPT)
        return resource

    def _find_fallback(self, context: Context, error: HTTPError) -> Resource | None:
        """Find the page of a single-page application; None when the request does not ask for it."""
        head = context.worker_request.head
        is_unknown = error.status == 404 or isinstance(error, NoDocument)
        if not self._fallback or not is_unknown or has_ending(head.path) or split_path(head.path) is None:
            return None
        accept = b",".join([value for name, value in head.headers if name == b"accept"])
        if not accepts_explicitly(accept, b"text/html"):
            return None
        try:
            return self._finder.find(self._fallback)
        except HTTPError:
            return None

    def _answer(self, context: Context, resource: Resource, *, fields: dict[bytes, bytes]) -> Awaitable[None] | None:
        if resource.is_elsewhere:
            context.rest.effective_path = resource.effective_path
        variant = self._choices.choose(resource, fields.get(b"accept-encoding"))
        now = int(self._time_of_day())
        if variant.body is not None:
            return answer_file(context, variant, fields=fields, file=None, now=now)
        file = self._tree.open(variant.segments)
        if file is None or file.is_folder:
            raise HTTPError(404)
        try:
            return answer_file(context, variant.renewed(file, now), fields=fields, file=file, now=now)
        finally:
            file.close()


def _answer_other_method(context: Context, method: str) -> None:
    # pipeline F-06, RFC 9110 section 15.5.6.
    if method != "OPTIONS":
        raise HTTPError(405, f"files are answered to GET and HEAD, not to {method}", headers=[ALLOW])
    set_head(context.response, 204, [ALLOW])


def _collect(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _READ_FIELDS:
            # RFC 9110 section 5.3: several lines of one name are one list.
            fields[name] = fields[name] + b", " + value if name in fields else value
    return fields


def _redirect_to_folder(context: Context, path: str) -> None:
    # pipeline F-01: the method and the query stay. `path` begins with one slash and a name, as split_path saw to it, so
    # that no browser reads "//other.host/" in it (bad-input row 70).
    query = context.worker_request.head.query.decode("latin-1")
    location = quote(path, safe=_PATH_SAFE) + "/"
    context.response.redirect(f"{location}?{query}" if query else location, 308)
