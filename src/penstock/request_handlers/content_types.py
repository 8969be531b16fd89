"""Which content type a file has by its name: a table of our own, so that every machine answers the same."""

from typing import Final

DEFAULT_TYPE: Final = b"application/octet-stream"

_TEXT: Final = {
    "text/calendar": "ics",
    "text/css": "css",
    "text/csv": "csv",
    "text/html": "html htm",
    "text/javascript": "js mjs",
    "text/markdown": "md markdown",
    "text/plain": "txt text log conf cfg ini toml rst py c h",
    "text/vcard": "vcf",
    "text/vtt": "vtt",
    "text/yaml": "yaml yml",
}
_COMPRESSIBLE: Final = {
    "application/atom+xml": "atom",
    "application/json": "json map",
    "application/ld+json": "jsonld",
    "application/manifest+json": "webmanifest",
    "application/octet-stream": "bin dat",
    "application/rss+xml": "rss",
    "application/rtf": "rtf",
    "application/wasm": "wasm",
    "application/xhtml+xml": "xhtml",
    "application/xml": "xml xsl xsd",
    "font/otf": "otf",
    "font/ttf": "ttf",
    "image/bmp": "bmp",
    "image/svg+xml": "svg",
    "image/vnd.microsoft.icon": "ico",
    "model/gltf+json": "gltf",
    "model/gltf-binary": "glb",
}
_COMPRESSED: Final = {
    "application/epub+zip": "epub",
    "application/gzip": "gz tgz",
    "application/java-archive": "jar",
    "application/pdf": "pdf",
    "application/vnd.android.package-archive": "apk",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.rar": "rar",
    "application/x-7z-compressed": "7z",
    "application/x-brotli": "br",
    "application/x-bzip2": "bz2",
    "application/x-xz": "xz",
    "application/zip": "zip whl",
    "application/zstd": "zst",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg oga opus",
    "audio/wav": "wav",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "image/apng": "apng",
    "image/avif": "avif",
    "image/gif": "gif",
    "image/jpeg": "jpg jpeg",
    "image/jxl": "jxl",
    "image/png": "png",
    "image/tiff": "tif tiff",
    "image/webp": "webp",
    "video/mp2t": "ts",
    "video/mp4": "mp4 m4v",
    "video/ogg": "ogv",
    "video/quicktime": "mov",
    "video/webm": "webm",
}


def _by_ending(table: dict[str, str], parameters: bytes = b"") -> dict[str, bytes]:
    return {ending: name.encode() + parameters for name, endings in table.items() for ending in endings.split()}


# RFC 9110 section 8.3.2: a charset belongs to text; JSON, SVG and XML say theirs themselves.
_ALREADY_COMPRESSED: Final = _by_ending(_COMPRESSED)
_TYPES: Final = {**_by_ending(_TEXT, b"; charset=utf-8"), **_by_ending(_COMPRESSIBLE), **_ALREADY_COMPRESSED}


def find_content_type(name: str) -> bytes:
    """Give the Content-Type value for a file of this name; by its last ending, in any case."""
    return _TYPES.get(_ending(name), DEFAULT_TYPE)


def is_compressible(name: str) -> bool:
    """Tell whether a file of this name may have precompressed files beside it: any that is not compressed in itself."""
    return _ending(name) not in _ALREADY_COMPRESSED


def _ending(name: str) -> str:
    stem, _, ending = name.rpartition(".")
    return ending.lower() if stem else ""
