"""Masking: the quick function and ours do the same, and the library is imported with the first socket only."""

import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.speedups import apply_mask

from penstock.request_sockets.masking import load_mask, mask_in_python


class TestMasking:
    def test_rfc6455_section_5_7(self) -> None:
        for mask in (load_mask(), mask_in_python):
            assert mask(b"\x7f\x9f\x4d\x51\x58", b"\x37\xfa\x21\x3d") == b"Hello"
            assert mask(b"", b"\x37\xfa\x21\x3d") == b""
            assert mask(memoryview(b"xHello")[1:], bytes(4)) == b"Hello"

    @settings(max_examples=200, derandomize=True, deadline=None, database=None)
    @given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
    def test_in_c_and_in_python_it_is_the_same(self, payload: bytes, key: bytes) -> None:
        masked = mask_in_python(payload, key)
        assert masked == load_mask()(payload, key) == bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
        assert mask_in_python(masked, key) == payload

    def test_it_is_that_of_the_library(self) -> None:
        assert load_mask() is apply_mask

    def test_where_the_library_has_no_c_it_is_ours(self) -> None:
        program = """
            import sys
            sys.modules["websockets.speedups"] = None
            from penstock.request_sockets.masking import load_mask
            print(load_mask().__name__)
        """
        assert run(program) == "mask_in_python"

    def test_the_library_is_imported_with_the_first_socket(self) -> None:
        program = """
            import sys
            import penstock.request_sockets.frames
            print("websockets" in sys.modules)
        """
        assert run(program) == "False"


def run(program: str) -> str:
    lines = "\n".join(line.strip() for line in program.strip().splitlines())
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    return done.stdout.strip()
