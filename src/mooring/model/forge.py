"""Where an app's source is kept and pushed to, what such a forge tells, and what it is told. Must not: speak to one."""

from __future__ import annotations

import enum

import msgspec

from mooring.model.environment import EnvironmentId
from mooring.model.names import AppName, DeploymentId, EnvironmentName
from mooring.model.review import is_review_of, strangers_branch
from mooring.model.secret import Secret

SEEN = 60.0  # seconds between two looks, unless it was said otherwise
SOONEST, LATEST = 5.0, 86_400.0


class ForgeKind(enum.Enum):
    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"  # and Forgejo
    GIT = "git"  # a repository, and nobody to tell anything


class ForgeLink(msgspec.Struct, frozen=True, kw_only=True):
    """`url` is where git fetches an app's repository, `api` where its forge is told (empty: nowhere); `every` seconds it is looked at."""

    app: AppName
    kind: ForgeKind
    repository: str
    url: str
    api: str = ""
    every: float = SEEN
    has_hook: bool = False


class ForgeSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """`token` is shown to the forge, `hook` signs what it sends; either may be empty, and without `hook` nothing sent is believed."""

    token: Secret
    hook: Secret


class Pushed(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="pushed"):
    """A branch has another head. Which one, the forge is asked: this may be old when it arrives."""

    branch: str


class BranchDeleted(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="branch-deleted"):
    branch: str


class PullAction(enum.Enum):
    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


class PullRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="pull-request"):
    """`branch` is the one to be merged; `is_from_fork`: it lies in a stranger's repository."""

    number: int
    action: PullAction
    branch: str
    is_from_fork: bool
    labels: tuple[str, ...] = ()


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request as its forge has it now: `branch`, at the commit `head`, is to be merged into `base`.

    `ref` is where the app's own repository holds that commit, also of a branch in a stranger's.
    """

    number: int
    branch: str
    base: str
    head: str
    ref: str
    is_from_fork: bool
    is_open: bool
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """By which its review app is known."""
        return strangers_branch(self.number, self.branch) if self.is_from_fork else self.branch


class PullPart(enum.Enum):
    """What a pull request has of a review app."""

    NOTHING = "nothing"
    OWN = "own"  # there for it alone
    BRANCHS = "branchs"  # its branch has one without it


class PullRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a pull request. `head`: the commit acted upon last, and `refusal` why that one is not deployed.

    `label`: what lets a stranger's have one; `barred`: a commit of theirs that has it not, since the label was given for another.
    `comment`: what the forge calls ours, empty until it is known; `told`: its text; `mark` stands in it, and was on disk before it: a
    comment whose posting was not answered is found by it. `is_closed`: kept for its comment alone, should it be opened again.
    """

    app: AppName
    number: int
    branch: str
    part: PullPart
    head: str
    mark: str
    label: str = ""
    barred: str = ""
    refusal: str = ""
    comment: str = ""
    told: str = ""
    is_closed: bool = False


class Checked(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="checked"):
    """A check of the forge's own CI began or ended, of this commit; empty where it does not say so."""

    commit: str = ""


class Unconcerning(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="unconcerning"):
    """Something else, like a tag or a star. `what` is the forge's word for it."""

    what: str


ForgeEvent = Pushed | BranchDeleted | PullRequest | Checked | Unconcerning


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is certainly the forge's. `sent_at` in wall seconds, where it says so itself under its signature."""

    event: ForgeEvent
    sent_at: float | None = None


class CheckState(enum.Enum):
    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STALE = "stale"  # it did not end, and the forge waits no longer
    ACTION_REQUIRED = "action-required"


class Hindered(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that is not deployed since a check did not end well, which may be run again: `checks` have to pass, `reason` was told.

    It is the newest of the branch, or of the pull request `number`."""

    app: AppName
    branch: str
    commit: str
    checks: tuple[str, ...]
    reason: str
    number: int = 0

    @property
    def name(self) -> str:
        """By which it is told from others of its app: no branch is called as what stands for a pull request."""
        return strangers_branch(self.number, self.branch) if self.number else self.branch


class ReportState(enum.Enum):
    WAITING = "waiting"  # for checks, or its turn
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the forge shows beside a commit. `url` leads to the app; `detail` is one line; `is_review`: it all goes with the branch."""

    environment: EnvironmentId
    commit: str
    branch: str
    state: ReportState
    detail: str
    url: str = ""
    is_review: bool = False

    @property
    def name(self) -> str:
        """Of the status; by it our own are told from the checks of others."""
        return f"{OWN}{self.environment.environment}"


OWN = "mooring/"


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment whose end the forge is to be told. `handle`: what the forge calls it; `then` are deployed after it, when it serves.

    `ref`: where the forge has the commit, when `branch` is none of its branches."""

    deployment: DeploymentId
    app: AppName
    environment: EnvironmentName
    commit: str
    branch: str
    ref: str = ""
    handle: str = ""
    then: tuple[EnvironmentName, ...] = ()

    @property
    def is_review(self) -> bool:
        return is_review_of(EnvironmentId(self.app, self.environment), self.branch)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a forge shows of an environment, until it was told that this is gone.

    `commit` is the newest that it was told of, on `branch`, or at `ref` where that is none of its branches; `url` where that one serves.
    `deployments`: what the forge calls those that it shows as alive, newest last. `comment`: what it calls ours on the commit `commented`,
    empty until that is known; `mark` stands in it, and was on disk before it. `may_comment`: the token was not refused it.
    """

    app: AppName
    environment: EnvironmentName
    commit: str
    branch: str
    ref: str = ""
    url: str = ""
    deployments: tuple[str, ...] = ()
    mark: str = ""
    commented: str = ""
    comment: str = ""
    may_comment: bool = True

    @property
    def id(self) -> EnvironmentId:
        return EnvironmentId(self.app, self.environment)

    @property
    def is_review(self) -> bool:
        return is_review_of(self.id, self.branch)

    @property
    def gone(self) -> Report:
        """In the place of the last status, whose address leads nowhere any more."""
        return Report(
            environment=self.id,
            commit=self.commit,
            branch=self.ref or self.branch,
            state=ReportState.SUCCEEDED,
            detail=f"{self.id} is gone",
        )
