"""Secrets taken out of text by value, wherever it comes from: logs, events, errors, pages. Must not: guess what looks like a secret.

    redactor = Redactor(secrets)
    redactor.redact("the key is s3cr3t")     # "the key is [redacted]"
    stream = redactor.stream()               # for bytes that come in pieces: feed(chunk) …, close()

One Aho-Corasick automaton holds every disguise of every secret, so the time does not grow with their number.
Of a long pattern only the first TRIGGER characters are in the automaton; what follows is compared where they were found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import ahocorasick

from mooring.model.instance import CUT
from mooring.model.secret import Secret
from mooring.store.disguises import MINIMUM, disguises

MARK = "[redacted]"
TRIGGER = 64
_CUT = CUT.encode().decode("latin-1")

Span = tuple[int, int]


def is_too_short(secret: Secret) -> bool:
    """Whether a secret is left alone, because it would be found by chance everywhere."""
    return len(secret.reveal()) < MINIMUM


class Redactor:
    """Immutable: when the secrets change, make another."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._patterns = _by_trigger({pattern for secret in secrets for pattern in disguises(secret.reveal())})
        self._alphabet = frozenset(character for trigger in self._patterns for character in trigger)
        self._automaton = ahocorasick.Automaton()
        for trigger, patterns in self._patterns.items():
            self._automaton.add_word(trigger, (len(trigger), patterns))
        if self._patterns:
            self._automaton.make_automaton()

    def __repr__(self) -> str:
        return f"<redactor of {len(self._patterns)} patterns>"

    def redact(self, text: str) -> str:
        """`text` with MARK for each secret in it, and for the half of one where it was CUT; the same object when there is none."""
        if not self._patterns:
            return text
        if text.isascii():
            return self._redact(text)
        handler = "surrogateescape"
        try:
            raw = text.encode("utf-8", handler)
        except UnicodeEncodeError:
            handler = "surrogatepass"
            raw = text.encode("utf-8", handler)
        narrow = raw.decode("latin-1")
        redacted = self._redact(narrow)
        return text if redacted == narrow else redacted.encode("latin-1").decode("utf-8", handler)

    def redact_bytes(self, content: bytes) -> bytes:
        """The same for bytes, whatever their encoding."""
        if not self._patterns:
            return content
        narrow = content.decode("latin-1")
        redacted = self._redact(narrow)
        return content if redacted == narrow else redacted.encode("latin-1")

    def stream(self) -> RedactingStream:
        return RedactingStream(self)

    def spans(self, narrow: str) -> list[Span]:
        """Where secrets are in latin-1 text; overlapping ones are one span, those that only touch stay apart."""
        return list(_merged(sorted(span for span, _ in self._matches(narrow))))

    def scan(self, narrow: str) -> tuple[list[Span], int]:
        """The spans, and where a secret may begin that goes on beyond the end of the text (its length: nowhere)."""
        spans: list[Span] = []
        undecided = self._beginning(narrow)
        for span, patterns in self._matches(narrow):
            spans.append(span)
            rest = len(narrow) - span[0]
            if any(len(pattern) > rest and pattern.startswith(narrow[span[0] :]) for pattern in patterns):
                undecided = min(undecided, span[0])
        return list(_merged(sorted(spans))), undecided

    def _matches(self, narrow: str) -> Iterator[tuple[Span, tuple[str, ...]]]:
        for end, (length, patterns) in self._automaton.iter(narrow) if self._patterns else ():
            start = end + 1 - length
            yield (start, start + _extent(narrow, start, patterns=patterns, sure=length)), patterns

    def _beginning(self, narrow: str) -> int:
        """Where the text's longest end begins that is the beginning of a trigger."""
        if narrow[-1:] not in self._alphabet:
            return len(narrow)  # a line's end is in no trigger, as a rule
        ends = range(max(len(narrow) - TRIGGER + 1, 0), len(narrow))
        return next((start for start in ends if self._automaton.match(narrow[start:])), len(narrow))

    def _redact(self, narrow: str) -> str:
        if _CUT in narrow:
            *cut, whole = narrow.split(_CUT)
            return _CUT.join([*(self._redact_cut(piece) for piece in cut), self._redact(whole)])
        spans = self.spans(narrow)
        return narrow if not spans else "".join(_with_marks(narrow, spans))

    def _redact_cut(self, narrow: str) -> str:
        """Of a text that once went on: what may be the beginning of a secret at its end is taken for one."""
        spans, undecided = self.scan(narrow)
        if undecided < len(narrow):
            spans = list(_merged(sorted([*spans, (undecided, len(narrow))])))
        return "".join(_with_marks(narrow, spans))


class RedactingStream:
    """Holds back only what may be the beginning of a secret; gives out the same as the whole text redacted at once."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""
        self._covered = 0  # characters at the beginning of what is held that belong to a mark given out already

    def feed(self, chunk: bytes) -> bytes:
        """What can be told of the text so far."""
        text = self._held + chunk.decode("latin-1")
        spans, undecided = self._redactor.scan(text)
        return self._give(text, spans=spans, upto=undecided)

    def close(self) -> bytes:
        """The rest."""
        return self._give(self._held, spans=self._redactor.spans(self._held), upto=len(self._held))

    def _give(self, text: str, *, spans: list[Span], upto: int) -> bytes:
        begun = (0, self._covered)
        spans = list(_merged(sorted([begun, *spans]))) if self._covered else spans
        out: list[str] = []
        position = 0
        for start, end in spans:
            is_marked = start < self._covered
            if start >= upto and not is_marked:
                break
            out += [text[position:start], "" if is_marked else MARK]
            position = end
        out.append(text[position:upto])
        self._held = text[upto:]
        self._covered = max(position - upto, 0)
        return "".join(out).encode("latin-1")


def _by_trigger(patterns: set[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for pattern in sorted(patterns):
        trigger = pattern[:TRIGGER]
        found[trigger] = (*found.get(trigger, ()), pattern)
    return found


def _extent(text: str, start: int, *, patterns: tuple[str, ...], sure: int) -> int:
    """How many characters from `start` are the beginning of a pattern; at least `sure`."""
    return max((_shared(text, start, pattern=pattern, sure=sure) for pattern in patterns if len(pattern) > sure), default=sure)


def _shared(text: str, start: int, *, pattern: str, sure: int) -> int:
    if text.startswith(pattern, start):
        return len(pattern)
    low, high = sure, min(len(pattern), len(text) - start)
    while low < high:  # the longest prefix of the pattern that is there, by halving
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text.startswith(pattern[:middle], start) else (low, middle - 1)
    return low


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Sorted spans with overlapping ones joined; those that only touch stay apart."""
    current: Span | None = None
    for start, end in spans:
        if current is not None and start < current[1]:
            current = (current[0], max(current[1], end))
        else:
            if current is not None:
                yield current
            current = (start, end)
    if current is not None:
        yield current


def _with_marks(text: str, spans: Iterable[Span]) -> Iterator[str]:
    position = 0
    for start, end in spans:
        yield from (text[position:start], MARK)
        position = end
    yield text[position:]
