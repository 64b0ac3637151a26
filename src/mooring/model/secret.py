"""A value that must not be shown. Must not: be printed, pickled, compared in logs, or encoded by accident."""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """Holds text that only `reveal()` gives out. Not a str and not a Struct, so no encoder takes it by mistake."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself: call this only where it is handed to the process or the cipher it is meant for."""
        return self._value

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return False
        # "surrogatepass": a value that came in as bytes which are no UTF-8 carries them as surrogates
        return hmac.compare_digest(self._value.encode("utf-8", "surrogatepass"), other._value.encode("utf-8", "surrogatepass"))

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not serialised")


class SecretFile(Secret):
    """One that a process finds in a file instead: its environment holds the path, under the name with `_FILE` behind it."""

    __slots__ = ()


def path_variable(name: str) -> str:
    """The name under which a process finds the path of a secret's file, as images of Docker have it: `TLS_KEY_FILE`."""
    return f"{name}_FILE"
