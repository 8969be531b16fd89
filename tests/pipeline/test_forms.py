"""The fields and files of a form, by name."""

import pytest

from penstock.errors import RequestRejected
from penstock.pipeline.forms import Form
from penstock.pipeline.uploads import Upload


def test_a_name_may_have_several_values_and_the_first_counts() -> None:
    form = Form([("a", "1"), ("b", "2"), ("a", "3")])
    assert (form["a"], form.get("a"), form.get_all("a")) == ("1", "1", ["1", "3"])
    assert form.items() == [("a", "1"), ("b", "2"), ("a", "3")]
    assert form.values() == ["1", "2", "3"]
    assert (list(form), len(form)) == (["a", "b"], 2)
    assert repr(form) == "Form([('a', '1'), ('b', '2'), ('a', '3')])"


def test_a_name_that_is_not_there() -> None:
    form = Form([("a", "")])
    assert "a" in form
    assert "b" not in form
    assert (form.get("b"), form.get("b", "x"), form.get_all("b")) == (None, "x", [])
    with pytest.raises(KeyError):
        _ = form["b"]


def test_what_is_needed_and_not_sent_is_the_client_s_fault() -> None:
    assert Form([("a", "1")]).need("a") == "1"
    with pytest.raises(RequestRejected, match="the form lacks 'b'") as caught:
        Form().need("b")
    assert caught.value.status == 400


def test_lists_that_are_handed_out_are_the_caller_s() -> None:
    form = Form([("a", "1")])
    form.get_all("a").append("2")
    form.items().clear()
    assert form.get_all("a") == ["1"]


def test_closing_it_removes_the_uploads() -> None:
    upload = Upload("file", "a.txt")
    form = Form([], [("file", upload)])
    assert form.files["file"] is upload
    form.close()
    form.close()
    with pytest.raises(Exception, match=r"'a\.txt' was removed when its request ended"):
        _ = upload.file
