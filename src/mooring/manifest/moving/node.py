"""A document of another tool as a tree in which every value knows its line. Must not: know a format, or what a key means."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mooring.manifest import wording

Path = tuple[str | int, ...]


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One value: a `table`, a list (`items`), a `text` as it was written (numbers and flags too), or nothing at all."""

    path: Path
    line: int
    text: str | None = None
    table: dict[str, Node] | None = None
    items: tuple[Node, ...] | None = None

    @property
    def name(self) -> str:
        return str(self.path[-1]) if self.path else ""

    @property
    def said(self) -> str:
        """The key for people: `services.web.ports[0]`."""
        return said(self.path)

    @property
    def parts(self) -> tuple[Node, ...]:
        """What lies directly inside."""
        return tuple((self.table or {}).values()) or (self.items or ())

    @property
    def is_true(self) -> bool:
        return (self.text or "").lower() in ("true", "yes", "on")

    @property
    def is_false(self) -> bool:
        return (self.text or "").lower() in ("false", "no", "off")

    def at(self, *steps: str) -> Node | None:
        """What lies at these keys, None where there is nothing."""
        node: Node | None = self
        for step in steps:
            node = (node.table or {}).get(step) if node else None
        return node

    def texts(self) -> list[str] | None:
        """The texts of a list of texts; None when it is anything else."""
        if self.items is None or any(item.text is None for item in self.items):
            return None
        return [item.text or "" for item in self.items]

    def leaves(self) -> Iterator[Node]:
        """Every value that holds no other, empty tables and lists too."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if not node.parts:
                yield node
            waiting.extend(reversed(node.parts))


def said(path: Path) -> str:
    """The path as a dotted key, positions in brackets."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{wording.dotted((step,))}"
    return text.lstrip(".")
