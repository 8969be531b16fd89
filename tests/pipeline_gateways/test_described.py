"""What a builder holds, as a table (middleware R-PY-05)."""

from penstock import Builder
from tests.pipeline_gateways.chain_subject import Marking, answering


def test_middleware_r_py_05_what_does_not_fit_is_seen() -> None:
    builder = Builder().use(Marking, consumes="own", produces="other").run(answering(b""))
    assert builder.describe().splitlines()[1].split() == [
        "1", "PRE_EXECUTE", "class", "Marking", "own", "->", "other", "no", "way",
    ]  # fmt: skip


def test_an_empty_one_has_a_heading() -> None:
    assert len(Builder().describe().splitlines()) == 1
