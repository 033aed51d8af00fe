"""Damaged files for property tests: random bytes, and valid files with something changed."""

from __future__ import annotations

from typing import Sequence

from hypothesis import strategies as st

# What a disk, an editor or a merge leaves behind, and what parsers stumble over.
_SPLINTERS = (
    b"", b"\0", b"\xa9", b"\xff\xfe", b"\n", b"\r\n", b" ", b"\t", b"=", b":", b"%", b'"', b"'", b"{", b"}", b"[", b"]",
    b",", b"|", b"*", b"!", b"#", b"@", b"~", b"~nobody/x", b"-1", b"0", b"99999999999999999999", b"null", b"!!int x",
    b"<<<<<<< HEAD\n", "\u00b2\u0663\u2028\x85\x1b[31m".encode(), b"\xed\xa0\x80", b"A" * 3000,
)  # fmt: skip


@st.composite
def _mutated(draw: st.DrawFn, valid: Sequence[bytes]) -> bytes:
    data = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(0, 4))):
        first, last = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        kind = draw(st.sampled_from(("insert", "replace", "cut", "repeat", "bytes")))
        if kind == "insert":
            data = data[:first] + draw(st.sampled_from(_SPLINTERS)) + data[first:]
        elif kind == "replace":
            data = data[:first] + draw(st.sampled_from(_SPLINTERS)) + data[min(last, first + 20) :]
        elif kind == "cut":
            data = data[:first]
        elif kind == "repeat":
            data = data[:last] + data[first:]
        else:
            data = data[:first] + draw(st.binary(max_size=4)) + data[first + 1 :]
    return data


def damaged(*valid: bytes) -> st.SearchStrategy[bytes]:
    """Random bytes, and these files with up to four damages each."""
    return st.one_of(_mutated(valid), _mutated(valid), st.binary(max_size=200))
