"""Reading what a forge sent: JSON of which only the few fields that are used are looked at. Must not: trust a field's type."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import msgspec

from mooring.errors import InvalidInput
from mooring.model.forge import BranchDeleted, ForgeEvent, Pushed, Unconcerning

BRANCHES = "refs/heads/"
LONGEST_DETAIL = 140  # characters of a status's description
_NOTHING = frozenset("0")


class Payload:
    """A JSON object; what is not there, or of another type, is empty."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        self._fields = fields

    @classmethod
    def of(cls, body: bytes) -> Payload:
        """Raises InvalidInput."""
        try:
            return cls(msgspec.json.decode(body, type=dict[str, object]))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise InvalidInput("the message is no JSON object", hint="set the hook's content type to application/json") from None

    @classmethod
    def of_answer(cls, answer: object) -> Payload:
        """Of one of the API's."""
        return cls(answer if isinstance(answer, dict) else {})

    def below(self, *names: str) -> Payload:
        found: object = self._fields
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        return Payload(found if isinstance(found, dict) else {})

    def text(self, name: str) -> str:
        found = self._fields.get(name)
        return found if isinstance(found, str) else ""

    def number(self, name: str) -> int | None:
        found = self._fields.get(name)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    def flag(self, name: str) -> bool:
        return self._fields.get(name) is True

    def list(self, name: str) -> list[Payload]:
        found = self._fields.get(name)
        return [Payload(each) for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def texts(self, name: str) -> tuple[str, ...]:
        found = self._fields.get(name)
        return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()

    def moment(self, name: str) -> float | None:
        """Wall seconds, of a number of them or of ISO 8601; None where it is neither."""
        if (seconds := self.number(name)) is not None:
            return float(seconds)
        try:
            return datetime.datetime.fromisoformat(self.text(name).replace(" UTC", "+00:00")).timestamp()
        except (ValueError, OverflowError):
            return None


def push_of(payload: Payload) -> ForgeEvent:
    """All forges describe a push alike: `ref`, and `after` of zeros when the branch is gone."""
    ref = payload.text("ref")
    branch = ref.removeprefix(BRANCHES)
    if branch == ref or not branch:
        return Unconcerning(what=f"push of {ref[:100]}")
    after = payload.text("after")
    return BranchDeleted(branch=branch) if after and set(after) == _NOTHING else Pushed(branch=branch)


def check_repository(name: str, wanted: str) -> None:
    """A hook's secret may serve several repositories of its owner. Raises InvalidInput."""
    if name.lower() != wanted.lower():
        raise InvalidInput(f"the message is about {name[:100]!r}, and this app's repository is {wanted}", hint="set the hook in that one")
