"""What guests do alike with requests that another server has read."""

import pytest

from penstock import RequestRejected
from penstock.hosts.foreign_requests import encode_path, remember_line
from penstock.http.foreign_head import foreign_line
from penstock.http.messages import RequestLine


def test_rfc3986_section_3_3_paths_are_encoded_as_clients_do() -> None:
    assert encode_path("/a b/ü;v=1/@:!$&'()*+,=~") == b"/a%20b/%C3%BC;v=1/@:!$&'()*+,=~"
    assert encode_path(b"/\xff?#%") == b"/%FF%3F%23%25"


def test_what_no_client_can_have_sent() -> None:
    with pytest.raises(RequestRejected) as caught:
        encode_path("/\ud800")
    assert caught.value.status == 400


def test_pipeline_h02_what_is_remembered_has_a_bound() -> None:
    lines: dict[object, RequestLine] = {}
    line = foreign_line("GET", b"/", b"")
    for number in range(3000):
        remember_line(lines, number, line)
        assert lines[number] is line
    assert len(lines) <= 1024
