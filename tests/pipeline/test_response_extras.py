"""What few responses need: trailers, what is taken over from another response, and a body that is closed."""

import os
from pathlib import Path

import pytest

from penstock import ContractError, Response, ResponseSealed
from penstock.http.messages import ResponseHead
from penstock.pipeline.answer_file import open_answer_file
from penstock.pipeline.response_extras import Extras


class Upper:
    """A filter."""

    def begin(self, head: ResponseHead) -> bool:
        head.headers["x-upper"] = "yes"
        return True

    def feed(self, piece: bytes) -> bytes:
        return piece.upper()

    def finish(self) -> bytes:
        return b""


class TestTakingOver:
    def test_a_file_belongs_to_one_of_them_and_lists_are_put_together(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"x")
        mine, others = Extras(), Extras()
        callbacks = [lambda response: None, lambda response: None]
        mine.callbacks, others.callbacks = callbacks[:1], callbacks[1:]
        mine.add_trailers({"x-mine": "1"})
        others.add_trailers({"x-others": "2"})
        others.file = open_answer_file(tmp_path / "f", 0, None)
        others.need_filters().add(Upper())
        mine.take(others)
        assert [each.file is None for each in (mine, others)] == [False, True]
        assert mine.callbacks == callbacks
        assert mine.trailers == [(b"x-mine", b"1"), (b"x-others", b"2")]
        assert mine.changes_pieces
        mine.drop_file()

    def test_of_text_and_substatus_the_others_count_and_suppression_stays(self) -> None:
        mine, others = Extras(), Extras()
        mine.is_text = mine.is_suppressed = True
        mine.substatus, mine.substatus_by = 7, "Gate@BEGIN"
        mine.take(others)
        assert (mine.is_text, mine.substatus, mine.substatus_by, mine.is_suppressed) == (False, 0, "", True)


class TestDropping:
    def test_a_file_that_is_not_going_to_be_sent_is_closed_once(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"x")
        extras = Extras()
        extras.file = opened = open_answer_file(tmp_path / "f", 0, None)
        extras.drop_file()
        extras.drop_file()
        with pytest.raises(OSError):
            os.fstat(opened.descriptor)

    def test_pipeline_x09_what_filters_have_changed_is_taken_back(self) -> None:
        extras, head = Extras(), ResponseHead(200, [(b"x-one", b"1")])
        extras.need_filters().add(Upper())
        assert extras.need_filters().begin(head)
        assert (b"x-upper", b"yes") in head.raw_headers
        extras.drop_filters(head.raw_headers)
        assert (head.raw_headers, extras.filters, extras.changes_pieces) == ([(b"x-one", b"1")], None, False)


class TestClosed:
    def test_pipeline_x09_a_sealed_body_says_why_and_what_would_be_right(self) -> None:
        extras = Extras()
        extras.check_open()
        extras.sealed = "an error was answered"
        with pytest.raises(ResponseSealed, match=r"for an error was answered: .* replace\(\) puts another"):
            extras.check_open()

    def test_pipeline_o03_callbacks_change_the_head_alone(self) -> None:
        extras = Extras()
        extras.is_calling = True
        with pytest.raises(ContractError, match="a callback of on_sending_headers changes the body"):
            extras.check_open()
        with pytest.raises(ContractError, match="flushes: it may change status, headers and cookies"):
            extras.check_not_calling("flushes")


class TestEarlyHintsAndTrailers:
    @pytest.mark.parametrize(
        "name", ["content-length", "Content-Type", "set-cookie", "transfer-encoding", "vary", "host"]
    )
    def test_rfc9110_section_6_5_1_what_cannot_be_a_trailer_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match=r"section 6\.5\.1"):
            Response().trailers({name: "1"})
