"""The choice by Accept-Encoding, remembered for the values that browsers send: bad-input row 74."""

from pathlib import Path

from penstock.request_handlers.file_choices import EncodingChoices
from penstock.request_handlers.file_lookup import FileLookup
from penstock.request_handlers.file_resources import Resource, load_resource
from penstock.request_handlers.file_tree import FileTree


def load(folder: Path) -> Resource:
    for name in ("a.js", "a.js.br", "a.js.gz"):
        (folder / name).write_text(name)
    lookup = FileLookup(FileTree(str(folder)), default_documents=(), precompressed=("br", "zst", "gz"))
    located = lookup.locate("/a.js")
    try:
        return load_resource("/a.js", located, common=[], now_ns=2**60)
    finally:
        located.close()


def test_the_choice_is_the_same_the_second_time(tmp_path: Path) -> None:
    resource, choices = load(tmp_path), EncodingChoices()
    for _ in range(2):
        assert choices.choose(resource, b"gzip, br").body == b"a.js.br"
        assert choices.choose(resource, b"gzip").body == b"a.js.gz"
        assert choices.choose(resource, b"zstd").body == b"a.js"
        assert choices.choose(resource, None).body == b"a.js"


def test_row_74_a_choice_does_not_carry_over_to_files_with_other_codings(tmp_path: Path) -> None:
    choices = EncodingChoices()
    assert choices.choose(load(tmp_path), b"gzip, br").coding == b"br"
    (tmp_path / "other").mkdir()
    (tmp_path / "other/a.js.br").mkdir(parents=True)
    for name in ("a.js", "a.js.gz"):
        (tmp_path / "other" / name).write_text(name)
    lookup = FileLookup(FileTree(str(tmp_path / "other")), default_documents=(), precompressed=("br", "gz"))
    located = lookup.locate("/a.js")
    resource = load_resource("/a.js", located, common=[], now_ns=2**60)
    located.close()
    assert choices.choose(resource, b"gzip, br").coding == b"gzip"


def test_row_74_hostile_values_do_not_fill_the_memory(tmp_path: Path) -> None:
    resource, choices = load(tmp_path), EncodingChoices()
    for number in range(2000):
        choices.choose(resource, b"br;q=0.%d, x%d" % (number % 1000, number))
        choices.choose(resource, b"br, " + b"x" * 200 + b"%d" % number)
    assert len(choices._chosen) <= 256
