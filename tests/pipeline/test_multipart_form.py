"""The reader of multipart forms (RFC 7578, bad-input row 76)."""

import subprocess
import sys
import time
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as some

from penstock.errors import RequestRejected
from penstock.pipeline.forms import Form
from penstock.pipeline.multipart_form import MultipartReader, base_name

NAME = b'Content-Disposition: form-data; name="a"'
FILE = b'Content-Disposition: form-data; name="f"; filename="a.txt"'


def part(content: bytes, *headers: bytes) -> bytes:
    return b"--b\r\n" + b"".join(header + b"\r\n" for header in headers or (NAME,)) + b"\r\n" + content + b"\r\n"


def read(pieces: bytes | Iterable[bytes], *, boundary: str = "b", limit: int = 1000, memory: int = 100) -> Form:
    reader = MultipartReader(boundary, limit=limit, memory=memory)
    try:
        for piece in [pieces] if isinstance(pieces, bytes) else pieces:
            for upload in reader.feed(piece):
                upload.spill()
        return reader.end()
    except BaseException:
        reader.close()
        raise


def refuse(pieces: bytes | Iterable[bytes], match: str, *, boundary: str = "b") -> None:
    with pytest.raises(RequestRejected, match=match) as caught:
        read(pieces, boundary=boundary)
    assert caught.value.status == 400


def in_bytes(whole: bytes) -> list[bytes]:
    return [whole[at : at + 1] for at in range(len(whole))]


class TestForms:
    WHOLE = (
        part(b"1")
        + part("ä\r\n--".encode())
        + part(b"\x00\xff" * 100, FILE, b"Content-Type: Text/Plain; charset=x", b"X-Own: 1")
        + part(b"", b'content-disposition: form-data; name="g"; filename="b.txt"')
        + b"--b--\r\n"
    )

    @pytest.mark.parametrize("pieces", [[WHOLE], in_bytes(WHOLE), in_bytes(WHOLE.removesuffix(b"\r\n"))])
    def test_fields_and_files_in_order(self, pieces: list[bytes]) -> None:
        form = read(pieces)
        assert form.items() == [("a", "1"), ("a", "ä\r\n--")]
        large, small = form.files.values()
        assert (large.name, large.filename, large.content_type, large.size) == ("f", "a.txt", "text/plain", 200)
        assert (large.headers["x-own"], large.is_in_memory) == ("1", False)
        assert large.file.read() == b"\x00\xff" * 100
        assert (small.filename, small.content_type, small.size, small.is_in_memory) == ("b.txt", "", 0, True)
        form.close()

    @pytest.mark.parametrize("whole", [b"--b--", b"--b--\r\n", b"\r\n--b--"])
    def test_a_form_may_be_empty(self, whole: bytes) -> None:
        assert read(whole).items() == []
        assert read(in_bytes(whole)).items() == []

    def test_no_file_chosen_is_no_file(self) -> None:
        form = read(part(b"", b'Content-Disposition: form-data; name="f"; filename=""') + b"--b--")
        assert (form.items(), form.files.items()) == ([], [])

    def test_what_browsers_write_for_quotes(self) -> None:
        form = read(part(b"1", b'Content-Disposition: form-data; name="%22a%22"') + b"--b--")
        assert form.items() == [('"a"', "1")]

    @pytest.mark.parametrize("header", [b"Content-Transfer-Encoding: binary", b"Content-Length: 1", b"X:"])
    def test_what_other_clients_add(self, header: bytes) -> None:
        assert read(part(b"1", NAME, header) + b"--b--").items() == [("a", "1")]

    def test_text_behind_the_closing_boundary_is_ignored(self) -> None:
        assert read([part(b"1") + b"--b--\r\n", *[b"\r\n" * 1000] * 100, b"--b\r\n"]).items() == [("a", "1")]

    def test_parts_within_parts_are_content(self) -> None:
        inner = b"--i\r\n\r\nx\r\n--i--\r\n"
        form = read(part(inner, NAME, b"Content-Type: multipart/mixed; boundary=i") + b"--b--")
        assert form["a"].encode() == inner

    @given(some.lists(some.tuples(some.booleans(), some.binary(max_size=200)), max_size=5), some.integers(1, 50))
    def test_what_was_sent_is_what_is_read(self, parts: list[tuple[bool, bytes]], size: int) -> None:
        boundary = b"--" + bytes(range(0x41, 0x5B))
        values = [content if is_file else content.hex().encode() for is_file, content in parts]
        whole = b"".join(
            part(value, FILE if is_file else NAME) for (is_file, _), value in zip(parts, values, strict=True)
        )
        whole = whole.replace(b"--b\r\n", boundary + b"\r\n") + boundary + b"--"
        form = read([whole[at : at + size] for at in range(0, len(whole), size)], boundary=boundary[2:].decode())
        sent = [value for (is_file, _), value in zip(parts, values, strict=True) if is_file]
        assert [upload.file.read() for upload in form.files.values()] == sent
        assert [text.encode() for text in form.values()] == [
            value for (is_file, _), value in zip(parts, values, strict=True) if not is_file
        ]
        form.close()


class TestLimits:
    def test_pipeline_l01_fields_and_files_at_the_limit_and_beyond(self) -> None:
        parts = [part(b"1"), part(b"1", FILE)] * 5
        form = read(b"".join(parts) + b"--b--", limit=10)
        assert len(form.items()) + len(form.files.items()) == 10
        with pytest.raises(RequestRejected, match="more than 9 fields and files"):
            read(b"".join(parts) + b"--b--", limit=9)

    def test_row_76_a_million_parts_are_refused_at_the_first_too_many(self) -> None:
        reader = MultipartReader("b", limit=1000, memory=100)
        pieces = 0
        with pytest.raises(RequestRejected, match="more than 1000"):
            for _ in range(1000):
                reader.feed(part(b"") * 1000)
                pieces += 1
        assert pieces == 1

    def test_row_76_a_part_has_eight_headers(self) -> None:
        headers = [b"X-%d: 1" % number for number in range(7)]
        assert read(part(b"1", NAME, *headers) + b"--b--")["a"] == "1"
        refuse(part(b"1", NAME, *headers, b"X: 1") + b"--b--", "header count")

    def test_row_76_a_header_has_four_kibibytes(self) -> None:
        header = b"X: " + b"x" * 4093
        assert read(part(b"1", NAME, header) + b"--b--")["a"] == "1"
        refuse(part(b"1", NAME, header + b"x") + b"--b--", "header length")
        refuse([b"--b\r\n", *[b"x" * 1000] * 6], "header length")

    def test_row_76_a_boundary_has_seventy_characters(self) -> None:
        boundary = "b" * 70
        assert read(b"--" + boundary.encode() + b"--", boundary=boundary).items() == []
        refuse(b"", "boundary of 1 to 70", boundary="b" * 71)

    @pytest.mark.parametrize("boundary", ["", " ", "b ", "b\n", 'b"', "ä", "b\0"])
    def test_a_boundary_of_other_characters(self, boundary: str) -> None:
        refuse(b"", "boundary of 1 to 70", boundary=boundary)


class TestRow76:
    @pytest.mark.parametrize(
        "whole", [b"", b"--b", b"--b\r\n", part(b"1"), part(b"1") + b"--b", part(b"1") + b"--b-", part(b"1")[:-2], b"-"]
    )
    def test_no_closing_boundary(self, whole: bytes) -> None:
        refuse(whole, "before its closing boundary")
        refuse(in_bytes(whole), "before its closing boundary")

    @pytest.mark.parametrize("start", [b"x", b"\r\n\r\n", b"\n", b"--c\r\n", b"\r\n" * 1_000_000])
    def test_text_in_front_of_the_first_boundary(self, start: bytes) -> None:
        refuse(start + part(b"1") + b"--b--", "does not begin with the boundary")
        refuse(in_bytes(start[:10] + part(b"1") + b"--b--"), "does not begin with the boundary")

    @pytest.mark.parametrize("line_break", [b"\n", b"\r", b"x", b" \r\n"])
    def test_a_boundary_line_that_ends_otherwise(self, line_break: bytes) -> None:
        refuse(b"--b" + line_break + NAME + b"\r\n\r\n1\r\n--b--", "cannot be read")

    @pytest.mark.parametrize(
        "content", [b"\r" * 1_000_000, b"\r\n--" * 250_000, b"\r\n--B" * 200_000, b"\n--b" * 100_000]
    )
    def test_content_that_nearly_is_a_boundary(self, content: bytes) -> None:
        whole = part(content, FILE) + b"--b--"
        started = time.perf_counter()
        form = read([whole[at : at + 4096] for at in range(0, len(whole), 4096)])
        assert time.perf_counter() - started < 5
        assert form.files["f"].file.read() == content
        form.close()

    @pytest.mark.parametrize("length", [b"-1", b"+1", b"01", b"1_0", b"x", b"", b"2", b"0"])
    def test_the_content_length_of_a_part_is_held(self, length: bytes) -> None:
        refuse(part(b"1", NAME, b"Content-Length: " + length) + b"--b--", "Content-Length")

    @pytest.mark.parametrize(
        ("header", "match"),
        [
            (b"Content-Disposition: form-data", "no name"),
            (b'Content-Disposition: form-data; name=""', "no name"),
            (b'Content-Disposition: form-data; name="a%0Db"', "no name, or one with control"),
            (b'Content-Disposition: form-data; name="a\tb"', ""),
            (b'Content-Disposition: attachment; name="a"', "Wrong type"),
            (b"X: 1", "Missing Content-Disposition"),
            (NAME + b"\r\n" + NAME, "content-disposition twice"),
            (NAME + b"\r\ncontent-disposition: form-data", "content-disposition twice"),
            (NAME + b"\r\nX: 1\rY: 2", "control character"),
            (NAME + b"\r\nX: \x00", "control character"),
            (NAME + b"\r\nX", "Malformed"),
            (NAME + b"\r\nX Y: 1", "header name"),
            (NAME + b"\r\nX: \xff", "decode"),
            (NAME + b"; name=b", "says something twice"),
            (FILE + b'; FileName="b"', "says something twice"),
            (NAME + b"\r\nContent-Transfer-Encoding: base64", "content-transfer-encoding"),
            (b"Content-Disposition: form-data; name=\"a\"; filename*=UTF-8''x.txt", "in place of filename"),
        ],
    )
    def test_headers_of_a_part_that_two_readers_could_read_differently(self, header: bytes, match: str) -> None:
        if match:
            refuse(part(b"1", header) + b"--b--", match)
        else:
            assert len(read(part(b"1", header) + b"--b--")) == 1

    @pytest.mark.parametrize("inside", [b"; name=b", b"; filename*=x", b'\\"; name=b'])
    def test_what_stands_within_quotes_says_nothing(self, inside: bytes) -> None:
        assert len(read(part(b"1", b'Content-Disposition: form-data; name="a' + inside + b'"') + b"--b--")) == 1

    def test_a_file_name_twice_in_two_forms_is_what_net_clients_send(self) -> None:
        form = read(part(b"1", FILE + b"; filename*=utf-8''b.txt") + b"--b--")
        assert form.files["f"].filename == "a.txt"

    def test_a_field_that_is_not_utf_8(self) -> None:
        refuse(part(b"\xff") + b"--b--", "field 'a' is not UTF-8")

    def test_a_header_that_is_not_utf_8_is_refused_in_plain_words(self) -> None:
        with pytest.raises(RequestRejected) as caught:
            read(part(b"1", b'Content-Disposition: form-data; name="\xff"') + b"--b--")
        assert "UnicodeDecodeError" not in caught.value.detail

    def test_what_was_on_disk_is_removed(self) -> None:
        reader = MultipartReader("b", limit=10, memory=0)
        opened = []
        for upload in reader.feed(part(b"1" * 10, FILE) + part(b"2" * 10, FILE)[:-6]):
            upload.spill()
            opened.append(upload)
        assert [upload.is_in_memory for upload in opened] == [False, False]
        files = [upload.file for upload in opened]
        reader.close()
        assert [file.closed for file in files] == [True, True]


class TestLibrary:
    def run(self, program: str) -> str:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return done.stdout

    def test_it_is_imported_with_the_first_form(self) -> None:
        program = """
import sys
from penstock.pipeline.multipart_form import MultipartReader
print("multipart" in sys.modules)
MultipartReader("b", limit=1, memory=1)
print("multipart" in sys.modules)
"""
        assert self.run(program) == "False\nTrue\n"

    def test_another_library_of_its_name_is_told_of(self) -> None:
        program = """
import sys, types
sys.modules["multipart"] = types.ModuleType("multipart")
from penstock.pipeline.multipart_form import MultipartReader
try:
    MultipartReader("b", limit=1, memory=1)
except Exception as error:
    print(error)
"""
        assert "upgrade python-multipart" in self.run(program)


class TestFileNames:
    @pytest.mark.parametrize(
        ("sent", "name"),
        [
            ("a.txt", "a.txt"),
            ("", ""),
            ("../../etc/passwd", "passwd"),
            ("/etc/passwd", "passwd"),
            (r"C:\Users\me\a.txt", "a.txt"),
            (r"..\..\a.txt", "a.txt"),
            (r"\\host\share\a.txt", "a.txt"),
            ("a/b\\c", "c"),
            (".htaccess", ".htaccess"),
            (" naïve 文件.txt ", "naïve 文件.txt"),
        ],
    )
    def test_the_last_part_counts(self, sent: str, name: str) -> None:
        assert base_name(sent) == name

    @pytest.mark.parametrize("sent", ["a\0.txt", "a\r\nb", "a\x1b", "a\x7f", "..", ".", "a/..", "a/", "\\", " "])
    def test_what_is_none_is_refused(self, sent: str) -> None:
        with pytest.raises(RequestRejected) as caught:
            base_name(sent)
        assert caught.value.status == 400

    def test_in_a_form(self) -> None:
        header = b'Content-Disposition: form-data; name="f"; filename="../../%s"'
        assert read(part(b"1", header % b"a.txt") + b"--b--").files["f"].filename == "a.txt"
        refuse(part(b"1", header % b"a%0D%0Ab") + b"--b--", "control character")


@pytest.mark.parametrize("piece", [b'"', b'\\"', b';a="\\', b"; ", b'; a="', b";a=", b'""', b"\\"])
def test_row_76_no_disposition_takes_long(piece: bytes) -> None:
    header = (NAME + piece * 4096)[:4096]
    started = time.perf_counter()
    for _ in range(20):
        try:
            read(part(b"1", header) + b"--b--")
        except RequestRejected:
            pass
    assert time.perf_counter() - started < 2
