"""This file is the one suite over the acceptance site, on every host: the same answers, byte for byte."""

import pytest

from tests.hosting.exchanges import EXCHANGES
from tests.hosting.hosts import ALL, OWN
from tests.hosting.recordings import Recordings


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("host", ALL)
def test_same_answer(recordings: Recordings, host: str, name: str) -> None:
    answer, expected = recordings.of(host).answers[name], EXCHANGES[name]
    assert answer.status == expected.status
    assert expected.text.encode() in answer.body
    assert answer.all("x-site") == ["acceptance"]
    assert answer == recordings.of(OWN).answers[name]
