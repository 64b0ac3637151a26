"""Logs over a connection that broke: nothing twice, nothing lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mooring.client.tail import Tail
from mooring.model.instance import LogLine


def line(text: str, *, at: float = 0.0, source: str = "web.1") -> LogLine:
    return LogLine(at=at, source=source, release=1, stream="stdout", text=text)


def told(tail: Tail, *texts: str) -> list[str]:
    return [given.text for text in texts for given in tail.new(line(text))]


def test_what_was_told_is_not_told_again() -> None:
    tail = Tail(3)
    assert told(tail, "a", "b", "c", "d") == ["a", "b", "c", "d"]
    tail.reconnected()
    assert told(tail, "c", "d", "e", "f") == ["e", "f"]


def test_a_history_that_shares_nothing_is_told_whole() -> None:
    tail = Tail(3)
    told(tail, "a", "b", "c")
    tail.reconnected()
    assert told(tail, "x", "y") == ["x", "y"]


def test_a_new_line_like_an_old_one_is_told() -> None:
    tail = Tail(3)
    told(tail, "a", "b", "a")
    tail.reconnected()
    assert told(tail, "b", "a", "b", "a") == ["b", "a"]


def test_a_beginning_that_only_looks_the_same_is_told() -> None:
    tail = Tail(5)
    told(tail, "a", "b", "c", "a")
    tail.reconnected()
    assert told(tail, "a", "b", "x") == ["b", "x"]


def test_sources_are_told_apart() -> None:
    tail = Tail(3)
    list(tail.new(line("same", source="web.1")))
    tail.reconnected()
    assert [given.source for given in tail.new(line("same", source="web.2"))] == ["web.2"]
    assert list(tail.new(line("same", source="web.1"))) == []


@given(count=st.integers(0, 40), gone=st.integers(0, 40), more=st.integers(0, 10), lines=st.integers(1, 20))
def test_numbered_lines_come_once_each_unless_the_history_is_too_short(count: int, gone: int, more: int, lines: int) -> None:
    """`gone` lines are written while nobody listens, of which the history shows the newest `lines`."""
    written = [f"line {number}" for number in range(count + gone + more)]
    tail = Tail(lines)
    first = told(tail, *written[max(0, count - lines) : count])
    tail.reconnected()
    second = told(tail, *written[max(0, count + gone - lines) :])
    assert len(set(first + second)) == len(first + second)
    assert second == written[max(count, count + gone - lines) :]
