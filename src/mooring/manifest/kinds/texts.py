"""Kinds of text: commands, paths, names, words of a list. Must not: repair a value."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from mooring.errors import InvalidName
from mooring.manifest import wording
from mooring.manifest.kinds.kind import Kind, Mismatch, Schema, javascript


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """Text; with a `pattern`, text of a form that `rule` says in words. `longest` in bytes: what a process can be given."""

    noun: str
    pattern: str = ""
    rule: str = ""
    may_be_empty: bool = False
    longest: int = 100_000
    word: str = "string"

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise Mismatch(f"{self.noun} is text")
        if not value and not self.may_be_empty:
            raise Mismatch(f"{self.noun} is not empty", hint="write one, or leave the key out")
        if "\0" in value or any("\ud800" <= mark <= "\udfff" for mark in value):
            raise Mismatch(
                f"{self.noun} holds neither NUL nor half characters", hint="no process can be given that; encode it, say as base64"
            )
        if len(value.encode()) > self.longest:
            raise Mismatch(f"{self.noun} has at most {wording.size(self.longest)}", hint="put it into a file of the app")
        if self.pattern and not re.search(self.pattern, value):
            raise Mismatch(self.rule)
        return value

    def write(self, value: object) -> str:
        return wording.quoted(str(value))

    def schema(self) -> Schema:
        form: Schema = {"pattern": javascript(self.pattern)} if self.pattern else {}
        return {"type": "string", **form}


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """A name that the model checks."""

    noun: str
    rule: str
    check: Callable[[str], str]
    fix: Callable[[str], str]
    pattern: str
    word: str = "string"

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise Mismatch(f"{self.noun} is text")
        try:
            return self.check(value)
        except InvalidName:
            raise Mismatch(self.rule, hint=self.fix(value), item=value) from None

    def write(self, value: object) -> str:
        return wording.quoted(str(value))

    def schema(self) -> Schema:
        return {"type": "string", "pattern": javascript(self.pattern)}


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One of some words; `optional_prefix` may stand before it, as SIG before TERM."""

    noun: str
    options: tuple[str, ...]
    optional_prefix: str = ""
    word: str = "string"

    def read(self, value: object) -> str:
        word = value.removeprefix(self.optional_prefix) if isinstance(value, str) else ""
        if word in self.options:
            return word
        close = wording.suggestion(word, self.options)
        raise Mismatch(f"{self.noun} is one of {', '.join(self.options)}", hint=f'did you mean "{close}"?' if close else "")

    def write(self, value: object) -> str:
        return wording.quoted(str(value))

    def schema(self) -> Schema:
        prefixed = [self.optional_prefix + option for option in self.options] if self.optional_prefix else []
        return {"type": "string", "enum": [*self.options, *prefixed]}


class ListOf(msgspec.Struct, frozen=True, kw_only=True):
    """One to `most` different items of a kind."""

    item: Kind
    noun: str
    most: int = 100
    word: str = "list of strings"

    def read(self, value: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            hint = f"put it into brackets: [{wording.quoted(value)}]" if isinstance(value, str) and len(value) < 60 else ""
            raise Mismatch(f"{self.noun} are a list", hint=hint)
        if not 1 <= len(value) <= self.most:
            raise Mismatch(f"{self.noun} are a list of 1 to {self.most}", hint="" if value else "name one, or leave the key out")
        items = self._read_items(value)
        for position, item in enumerate(items):
            if item in items[:position]:
                raise Mismatch("each is named once", hint="remove the second one", item=item)
        return items

    def _read_items(self, value: list[object]) -> tuple[object, ...]:
        items, mismatches = list[object](), list[Mismatch]()
        for item in value:
            try:
                items.append(self.item.read(item))
            except Mismatch as mismatch:
                mismatches.append(Mismatch(mismatch.rule, hint=mismatch.hint, item=item))
        if mismatches:
            first, *others = mismatches
            raise Mismatch(first.rule, hint=first.hint, item=first.item, others=others)
        return tuple(items)

    def write(self, value: object) -> str:
        return f"[{', '.join(self.item.write(item) for item in value)}]" if isinstance(value, tuple) else "[]"

    def schema(self) -> Schema:
        return {"type": "array", "items": self.item.schema(), "minItems": 1, "maxItems": self.most, "uniqueItems": True}
