"""No secret gets through a redactor, in whatever encoding and however it is cut; everything else does, unchanged."""

from __future__ import annotations

import base64
import html
import json
import shlex
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.model.instance import CUT
from mooring.model.secret import Secret
from mooring.store.redaction import MARK, Redactor, is_too_short

ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "hex": lambda value: value.encode().hex(),
    "URL": lambda value: quote(value, safe=""),
    "JSON": lambda value: json.dumps(value)[1:-1],
    "HTML": html.escape,
    "shell": lambda value: shlex.quote(value),
    "repr": lambda value: repr(value)[1:-1],
    "JSON in JSON": lambda value: json.dumps(json.dumps(value))[1:-1],
}

# A secret shares no character with the text around it, so what is left of it can be told.
SURROUNDINGS = st.text(alphabet="❀☂ \n", max_size=20)
CHARACTERS = st.characters(min_codepoint=33, max_codepoint=1000, exclude_categories=("Cs", "Z"))
VALUES = st.text(CHARACTERS, min_size=4, max_size=200).filter(lambda value: value not in MARK)


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(deadline=None)
@given(value=VALUES, before=SURROUNDINGS, after=SURROUNDINGS)
def test_a_secret_is_redacted_in_every_encoding_and_its_surroundings_stay(encoding: str, value: str, before: str, after: str) -> None:
    leaked = ENCODINGS[encoding](value)
    redacted = Redactor([Secret(value)]).redact(before + leaked + after)
    assert leaked.strip("'") not in redacted
    assert redacted.startswith(before)
    assert redacted.endswith(after)
    assert MARK in redacted


@settings(deadline=None)
@given(value=VALUES, before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_a_secret_inside_something_longer_in_base64_leaves_nothing_but_its_edges(value: str, before: bytes, after: bytes) -> None:
    """As in an Authorization header: USER:PASSWORD, encoded together."""
    leaked = base64.b64encode(before + value.encode() + after).decode()
    redacted = Redactor([Secret(value)]).redact(leaked)
    left = sum(len(part) for part in redacted.split(MARK))
    assert MARK in redacted
    assert left <= len(leaked) - len(value.encode()) * 8 // 6 + 3


@settings(deadline=None)
@given(text=st.text(max_size=300))
def test_text_without_the_secret_is_given_back_as_it_is(text: str) -> None:
    redactor = Redactor([Secret("correct horse battery staple"), Secret("short-❀")])
    assert redactor.redact(text) is text


@settings(deadline=None)
@given(
    secrets=st.lists(st.text(alphabet="ab", min_size=4, max_size=9), min_size=1, max_size=4),
    text=st.text(alphabet="abc", max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=8),
)
def test_a_stream_cut_anywhere_gives_what_the_whole_would(secrets: list[str], text: str, cuts: list[int]) -> None:
    redactor = Redactor([Secret(value) for value in secrets])
    assert streamed(redactor, text.encode(), cuts) == redactor.redact(text).encode()


@settings(deadline=None)
@given(
    unit=st.text(alphabet="ab", min_size=1, max_size=3),
    repeats=st.integers(30, 120),
    tail=st.text(alphabet="ab", max_size=4),
    text=st.integers(0, 300),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_a_stream_with_a_long_repeating_secret_gives_what_the_whole_would(
    unit: str, repeats: int, tail: str, text: int, cuts: list[int]
) -> None:
    """Longer than what the automaton holds, and overlapping itself: the hardest to cut."""
    redactor = Redactor([Secret(unit * repeats + tail)])
    content = ("b" + unit * text + tail + "-" + unit * repeats + tail).encode()
    assert streamed(redactor, content, cuts) == redactor.redact_bytes(content)


def test_a_stream_gives_out_at_once_what_cannot_be_a_secret() -> None:
    stream = Redactor([Secret("s3cr3t-value")]).stream()
    assert stream.feed(b"listening on port 4000\nkey s3cr3t-") == b"listening on port 4000\nkey "
    assert stream.feed(b"value\n") == b"[redacted]\n"
    assert stream.feed(b"s3cr3t") == b""
    assert stream.close() == b"s3cr3t"


def test_bytes_that_are_no_text_pass_through_a_stream_unchanged() -> None:
    every_byte = bytes(range(256)) * 3
    redactor = Redactor([Secret("s3cr3t-value")])
    assert streamed(redactor, every_byte, [1, 77, 300]) == every_byte


def test_a_secret_that_is_no_unicode_is_found_in_bytes_and_in_text() -> None:
    raw = b"k\xff\xfe-\x80raw"
    redactor = Redactor([Secret(raw.decode("utf-8", "surrogateescape"))])
    assert redactor.redact_bytes(b"<" + raw + b">") == b"<[redacted]>"
    assert redactor.redact("<" + raw.decode("utf-8", "surrogateescape") + ">") == "<[redacted]>"


def test_each_line_of_a_secret_file_is_a_secret_but_its_armour_is_not() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\nab==\n-----END PRIVATE KEY-----\n"
    redactor = Redactor([Secret(pem)])
    assert redactor.redact("line: hkiG9w0BAQEFAASC.") == "line: [redacted]."
    assert redactor.redact("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"
    assert redactor.redact(pem.replace("\n", "\r\n")).count(MARK) == 2
    assert redactor.redact(f"<{pem}>") == "<[redacted]>"


def test_a_secret_that_came_with_a_newline_is_found_without_it() -> None:
    assert Redactor([Secret("s3cr3t\n")]).redact("token=s3cr3t;") == "token=[redacted];"


def test_a_value_of_less_than_four_characters_is_left_alone_and_said_to_be() -> None:
    assert Redactor([Secret("abc")]).redact("abc abc") == "abc abc"
    assert is_too_short(Secret("abc"))
    assert not is_too_short(Secret("abcd"))


def test_overlapping_secrets_leave_nothing_of_either() -> None:
    redactor = Redactor([Secret("alpha-beta"), Secret("beta-gamma")])
    assert redactor.redact("<alpha-beta-gamma>") == "<[redacted]>"


def test_a_long_secret_that_was_cut_off_is_redacted_as_far_as_it_goes() -> None:
    value = "".join(chr(ord("a") + number % 23) for number in range(5000))
    assert Redactor([Secret(value)]).redact(f"<{value[:3000]}>") == "<[redacted]>"


@settings(deadline=None)
@given(value=VALUES, before=SURROUNDINGS, data=st.data())
def test_of_a_text_that_was_cut_within_a_secret_nothing_of_the_secret_is_left(value: str, before: str, data: st.DataObject) -> None:
    leaked = ENCODINGS[data.draw(st.sampled_from(sorted(ENCODINGS.keys() - {"shell", "JSON in JSON"})))](value)
    kept = data.draw(st.integers(1, len(leaked) - 1))
    redacted = Redactor([Secret(value)]).redact(f"{before}{leaked[:kept]}{CUT}")
    assert redacted == f"{before}{MARK}{CUT}"


def test_only_what_stands_before_the_cut_is_taken_for_the_beginning_of_a_secret() -> None:
    redactor = Redactor([Secret("s3cr3t-value")])
    assert redactor.redact(f"as s{CUT}\ns3c: s3cr3t-value, s3c") == f"as [redacted]{CUT}\ns3c: [redacted], s3c"
    assert redactor.redact(f"nothing{CUT}") == f"nothing{CUT}"


def test_a_redactor_without_secrets_changes_nothing() -> None:
    redactor = Redactor([])
    assert redactor.redact("text") == "text"
    assert redactor.redact_bytes(b"\xff") == b"\xff"
    assert redactor.stream().feed(b"text") == b"text"


def test_a_redactor_does_not_show_its_secrets() -> None:
    assert "s3cr3t" not in repr(Redactor([Secret("s3cr3t-value")]))


def streamed(redactor: Redactor, content: bytes, cuts: list[int]) -> bytes:
    stream = redactor.stream()
    borders = [0, *sorted(cuts), len(content)]
    chunks = [content[start:end] for start, end in pairwise(borders)]
    return b"".join([*(stream.feed(chunk) for chunk in chunks), stream.close()])
