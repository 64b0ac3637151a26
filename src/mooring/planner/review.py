"""What becomes of an app's review apps: brought up, warned of their end, torn down. Must not: touch what has no mark, or read a clock.

Times are wall seconds: a review app lives for days, over restarts of the controller.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from mooring.model.environment import EnvironmentId
from mooring.model.names import AppName
from mooring.model.quantity import format_duration
from mooring.model.records import EnvironmentRecord
from mooring.model.review import ReviewMark, ReviewSettings, idle_since, review_environment

WARNED_BEFORE = 0.1  # of its whole time


class BringUp(msgspec.Struct, frozen=True, kw_only=True):
    """Deploy this commit of the branch to the environment that it has to itself."""

    environment: EnvironmentId
    branch: str
    head: str
    reason: str


class Warn(msgspec.Struct, frozen=True, kw_only=True):
    """Tell people that its end is near."""

    environment: EnvironmentId
    reason: str


class TearDown(msgspec.Struct, frozen=True, kw_only=True):
    environment: EnvironmentId
    reason: str


class Sleep(msgspec.Struct, frozen=True, kw_only=True):
    """Stop what runs of it; its routes stay, and the next request wakes it."""

    environment: EnvironmentId
    reason: str


ReviewAct = BringUp | Warn | Sleep | TearDown


class ReviewApp(msgspec.Struct, frozen=True, kw_only=True):
    """`is_busy`: a deployment of it goes on."""

    environment: EnvironmentId
    mark: ReviewMark
    is_busy: bool = False


def review_apps(records: Sequence[EnvironmentRecord], app: AppName, *, busy: Collection[EnvironmentId] = ()) -> tuple[ReviewApp, ...]:
    """Those of an app: what has the mark, and the name that the mark's branch gives it. All else is somebody's own environment."""
    return tuple(
        ReviewApp(environment=record.environment, mark=record.review, is_busy=record.environment in busy)
        for record in records
        if record.review is not None and record.environment == review_environment(app, record.review.branch)
    )


def plan(
    app: AppName, settings: ReviewSettings, apps: Sequence[ReviewApp], heads: Mapping[str, str], *, is_complete: bool, now: float
) -> tuple[ReviewAct, ...]:
    """What is to be done now. `heads`: the newest commits of branches that are to have one; `is_complete`: there are no others.

    Never are there more than `settings.limit` that stay: the longest idle goes first, then the last of `heads`.
    """
    known = {each.mark.branch: each for each in apps}
    ends = {each.environment: _end(each, heads, is_complete=is_complete, now=now) for each in apps}
    staying = [each for each in apps if not ends[each.environment]]
    updated = [_bring_up(app, branch, heads[branch], known[branch]) for branch in heads if branch in known]
    new = [_bring_up(app, branch, heads[branch], None) for branch in heads if branch not in known]
    evicted = _evicted(staying, heads, new=len(new), limit=settings.limit)
    room = max(0, settings.limit - len(staying) + len(evicted))
    ends |= {each.environment: f"the limit of {settings.limit} is reached, and it has been idle for longest" for each in evicted}
    return (
        *(TearDown(environment=environment, reason=reason) for environment, reason in ends.items() if reason),
        *(Warn(environment=each.environment, reason=_warning(each, now)) for each in staying if _is_due_a_warning(each, ends, heads, now)),
        *(Sleep(environment=each.environment, reason=_idle(each, now)) for each in staying if _may_sleep(each, ends, heads, now)),
        *(act for act in updated if act is not None and not ends[act.environment]),
        *(act for act in new[:room] if act is not None),
    )


def _end(app: ReviewApp, heads: Mapping[str, str], *, is_complete: bool, now: float) -> str:
    """Why it has to go; empty while it may stay. What is once on its way out goes on."""
    if app.mark.leaving:
        return app.mark.leaving
    if app.mark.branch in heads:
        return ""
    if is_complete:
        return "its branch is gone"
    return "its time is over" if now >= app.mark.expires_at else ""


def _evicted(staying: Sequence[ReviewApp], heads: Mapping[str, str], *, new: int, limit: int) -> list[ReviewApp]:
    """The longest idle, to make room for new ones; of those that are to be there only what a lowered limit leaves no room for."""
    places = {branch: place for place, branch in enumerate(heads)}
    idle = sorted((each for each in staying if each.mark.branch not in heads), key=lambda each: (idle_since(each.mark), each.mark.branch))
    last = sorted((each for each in staying if each.mark.branch in heads), key=lambda each: -places[each.mark.branch])
    return [*idle[: max(0, len(staying) + new - limit)], *last[: max(0, len(last) - limit)]]


def _bring_up(app: AppName, branch: str, head: str, known: ReviewApp | None) -> BringUp | None:
    """None where the newest commit was asked for already."""
    if known is not None and known.mark.head == head:
        return None
    reason = "the branch is new" if known is None else f"the branch is at {head[:7]} now"
    return BringUp(environment=review_environment(app, branch), branch=branch, head=head, reason=reason)


def _may_sleep(app: ReviewApp, ends: Mapping[EnvironmentId, str], heads: Mapping[str, str], now: float) -> bool:
    mark, after = app.mark, app.mark.settings.sleep
    is_wanted = app.is_busy or mark.branch in heads or bool(ends[app.environment])
    return after > 0 and now >= idle_since(mark) + after and not mark.is_asleep and not is_wanted


def _idle(app: ReviewApp, now: float) -> str:
    return f"nobody has visited it for {format_duration(round(now - idle_since(app.mark)))}"


def _is_due_a_warning(app: ReviewApp, ends: Mapping[EnvironmentId, str], heads: Mapping[str, str], now: float) -> bool:
    """Not of what goes at once anyway."""
    warned_at = app.mark.expires_at - WARNED_BEFORE * app.mark.settings.expire
    return now >= warned_at and not app.mark.is_warned and app.mark.branch not in heads and not ends[app.environment]


def _warning(app: ReviewApp, now: float) -> str:
    hours, minutes = divmod(max(0, round((app.mark.expires_at - now) / 60)), 60)
    left = f"{hours} h {minutes} min" if hours else f"{minutes} min"
    return f"the review app of {app.mark.branch} goes in {left}; `mooring review extend {app.mark.branch}` keeps it"
