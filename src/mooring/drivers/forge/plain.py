"""A repository without a forge around it: it is looked at, and nobody is told. Must not: pretend to have told somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mooring.drivers.forge.contract import Forge
from mooring.errors import InvalidInput, Unauthorized
from mooring.model.forge import CheckState, Delivery, Pull, Report, Shown


class PlainGit:
    def read(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        raise Unauthorized("the message is not believed: a plain repository sends none", hint="it is looked at in its time")

    async def report(self, report: Report, *, handle: str = "") -> str:
        """Nobody is there to be told; deployments and events of the platform say it."""
        return handle

    async def retire(self, deployments: Sequence[str]) -> None:
        """Nothing is shown there."""

    async def withdraw(self, shown: Shown) -> None:
        """Nothing is shown there."""

    async def comment_commit(self, commit: str, text: str, *, mark: str, handle: str = "") -> str:
        return ""

    async def checks(self, commit: str) -> dict[str, CheckState]:
        raise InvalidInput("a plain repository has no checks", hint="take requires_checks out of mooring.toml, or add the forge itself")

    async def pulls(self) -> tuple[Pull, ...]:
        return ()

    async def pull(self, number: int) -> Pull:
        raise InvalidInput(f"a plain repository has no pull request {number}", hint="add the forge itself")

    async def labelled(self, pull: Pull, label: str) -> str:
        return ""

    async def comment(self, number: int, text: str, *, mark: str, handle: str = "") -> str:
        raise InvalidInput(f"a plain repository has no pull request {number}", hint="add the forge itself")

    async def examine(self) -> str:
        return "a plain repository: nobody is told of deployments"


_: type[Forge] = PlainGit
