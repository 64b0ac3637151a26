"""What a forge can do for an app: tell of pushes, be told of deployments, say what its own checks found; and git's part of it.

Promises: `read` believes nothing that is not signed with the hook's secret, and looks into nothing before. Errors are Mooring's own:
Unauthorized (not the forge's word), Unavailable (it did not answer, or refused), InvalidInput (it knows no such repository, or the token
may not). No address is taken from what a forge sends. Must not: decide what is deployed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from mooring.model.forge import CheckState, Delivery, Pull, Report, Shown


class Forge(Protocol):
    def read(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """A message that came in; names of headers in small letters. Raises Unauthorized, InvalidInput."""

    async def report(self, report: Report, *, handle: str = "") -> str:
        """Show how a commit's deployment is doing; gives what it is called there, for the next report. Raises Unavailable, InvalidInput."""

    async def retire(self, deployments: Sequence[str]) -> None:
        """These serve no more: a newer one does. Twice is once. Raises Unavailable, OutcomeUnknown, InvalidInput."""

    async def withdraw(self, shown: Shown) -> None:
        """An environment is gone: no address of it is shown as alive. Twice is once. Raises Unavailable, OutcomeUnknown, InvalidInput."""

    async def comment_commit(self, commit: str, text: str, *, mark: str, handle: str = "") -> str:
        """Our one comment on a commit; gives what it is called there, empty where the forge has none. Else as `comment`."""

    async def checks(self, commit: str) -> dict[str, CheckState]:
        """By name, the newest of each, without Mooring's own. Raises Unavailable, InvalidInput where a forge knows none."""

    async def pulls(self) -> tuple[Pull, ...]:
        """Those that are open; none where the forge has no such thing. Raises Unavailable, InvalidInput for a token that may not."""

    async def pull(self, number: int) -> Pull:
        """This one, open or not. Raises Unavailable, InvalidInput."""

    async def labelled(self, pull: Pull, label: str) -> str:
        """The commit for which it was given this label last; empty where that is not certain, or is none that it has now.

        By the forge's own memory of pushes and labels. Raises Unavailable, InvalidInput."""

    async def comment(self, number: int, text: str, *, mark: str, handle: str = "") -> str:
        """Our one comment on a pull request; gives what it is called there. Without that, the one that holds `mark` is written anew.

        Raises Unavailable, OutcomeUnknown, InvalidInput."""

    async def examine(self) -> str:
        """A sentence about what the token reaches. Raises Unavailable, InvalidInput."""


class Remote(Protocol):
    async def heads(self) -> dict[str, str]:
        """The commit of each branch. Raises Unavailable."""

    async def fetch(self, branch: str, repository: Path) -> str:
        """Bring the branch's head into a bare repository; gives its commit. Raises Unavailable, NotFound when there is no such branch."""

    async def forget(self, branch: str, repository: Path) -> None:
        """What `fetch` brought of a branch that is no more: another's name may go on where its own ended. Raises Unavailable."""

    async def fetch_pull(self, pull: Pull, repository: Path) -> str:
        """As `fetch`, the head of a pull request, out of the app's own repository."""

    async def tidy(self, repository: Path, *, pulls: Collection[int], older: float) -> None:
        """Give back the disk of what no branch has, and no pull request but these, and that came more than `older` seconds ago.

        Of a fetch that goes on meanwhile one of the two may fail, and nothing is lost. Raises Unavailable."""
