"""The lifecycle of review apps: laws for every history of branches, people and time."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mooring.model.environment import EnvironmentId
from mooring.model.names import AppName
from mooring.model.records import EnvironmentRecord
from mooring.model.review import ReviewMark, ReviewSettings, review_environment, used_now
from mooring.planner.review import BringUp, ReviewAct, ReviewApp, Sleep, TearDown, Warn, plan, review_apps

SHOP = AppName("shop")
RULES = ReviewSettings(limit=3, expire=1000.0, sleep=0)


def known(branch: str, *, used_at: float = 0.0, head: str = "1", leaving: str = "", is_warned: bool = False) -> ReviewApp:
    mark = used_now(ReviewMark(branch=branch, head=head, settings=RULES, used_at=0, expires_at=0, leaving=leaving), used_at)
    return ReviewApp(environment=review_environment(SHOP, branch), mark=msgspec.structs.replace(mark, is_warned=is_warned))


def gone(acts: tuple[ReviewAct, ...]) -> dict[EnvironmentId, str]:
    return {act.environment: act.reason for act in acts if isinstance(act, TearDown)}


def brought(acts: tuple[ReviewAct, ...]) -> dict[str, str]:
    return {act.branch: act.head for act in acts if isinstance(act, BringUp)}


def test_a_new_branch_is_brought_up_and_a_newer_commit_too_but_the_same_one_only_once() -> None:
    acts = plan(SHOP, RULES, [known("one")], {"one": "1", "two": "7"}, is_complete=False, now=5)
    assert (brought(acts), gone(acts)) == ({"two": "7"}, {})
    assert brought(plan(SHOP, RULES, [known("one")], {"one": "2"}, is_complete=False, now=5)) == {"one": "2"}


def test_the_longest_idle_makes_room_at_the_limit() -> None:
    apps = [known("old", used_at=50), known("older", used_at=10), known("new", used_at=90)]
    acts = plan(SHOP, RULES, apps, {"next": "1"}, is_complete=False, now=100)
    assert gone(acts) == {review_environment(SHOP, "older"): "the limit of 3 is reached, and it has been idle for longest"}
    assert brought(acts) == {"next": "1"}


def test_what_makes_room_now_is_not_said_to_go_later() -> None:
    acts = plan(
        SHOP, RULES, [known("old"), known("new", used_at=600), known("newer", used_at=700)], {"next": "1"}, is_complete=False, now=950
    )
    assert [type(act) for act in acts] == [TearDown, BringUp]


def test_a_lowered_limit_takes_the_last_and_nothing_goes_to_and_fro() -> None:
    apps = [known(branch) for branch in "abcde"]
    heads = dict.fromkeys("abcdef", "1")
    acts = plan(SHOP, RULES, apps, heads, is_complete=True, now=5)
    assert gone(acts).keys() == {review_environment(SHOP, branch) for branch in "de"}
    assert brought(acts) == {}
    assert plan(SHOP, RULES, apps[:3], heads, is_complete=True, now=5) == ()


def test_an_end_is_announced_once_and_comes_at_its_time_unless_the_branch_is_asked_for() -> None:
    (warning,) = plan(SHOP, RULES, [known("one")], {}, is_complete=False, now=940)
    assert isinstance(warning, Warn) and warning.reason == "the review app of one goes in 1 min; `mooring review extend one` keeps it"
    assert plan(SHOP, RULES, [known("one", is_warned=True)], {}, is_complete=False, now=940) == ()
    assert list(gone(plan(SHOP, RULES, [known("one")], {}, is_complete=False, now=1000)).values()) == ["its time is over"]
    assert plan(SHOP, RULES, [known("one")], {"one": "1"}, is_complete=True, now=1000) == ()


def test_one_that_nobody_visits_sleeps_but_not_while_it_is_deployed_or_asked_for() -> None:
    idle = known("one", used_at=10)
    idle = msgspec.structs.replace(idle, mark=msgspec.structs.replace(idle.mark, settings=msgspec.structs.replace(RULES, sleep=100.0)))
    (act,) = plan(SHOP, RULES, [idle], {}, is_complete=False, now=110)
    assert isinstance(act, Sleep) and act.reason == "nobody has visited it for 1m40s"
    visited = msgspec.structs.replace(idle, mark=msgspec.structs.replace(idle.mark, seen_at=50.0))
    sleeping = msgspec.structs.replace(idle, mark=msgspec.structs.replace(idle.mark, is_asleep=True))
    for app in (visited, sleeping, msgspec.structs.replace(idle, is_busy=True)):
        assert plan(SHOP, RULES, [app], {}, is_complete=False, now=110) == ()
    assert plan(SHOP, RULES, [idle], {"one": "1"}, is_complete=False, now=110) == ()


def test_a_deleted_branch_is_torn_down_only_where_all_branches_are_known() -> None:
    assert plan(SHOP, RULES, [known("one")], {}, is_complete=False, now=5) == ()
    assert list(gone(plan(SHOP, RULES, [known("one")], {}, is_complete=True, now=5)).values()) == ["its branch is gone"]


def test_what_has_no_mark_or_not_the_name_of_its_mark_is_no_review_app() -> None:
    mark = known("one").mark
    own = [
        EnvironmentRecord(environment=EnvironmentId.parse("shop"), created_at=0, review=mark),
        EnvironmentRecord(environment=EnvironmentId.parse("shop/staging"), created_at=0),
        EnvironmentRecord(environment=review_environment(SHOP, "two"), created_at=0),
        EnvironmentRecord(environment=review_environment(AppName("blog"), "one"), created_at=0, review=mark),
    ]
    mine = EnvironmentRecord(environment=review_environment(SHOP, "one"), created_at=0, review=mark)
    assert review_apps([*own, mine], SHOP) == (known("one"),)


BRANCHES = st.sampled_from(["main", "a", "A", "feature/b", "feature-b", "c", "d"])


class Lifecycle(RuleBasedStateMachine):
    """A server with environments of its own among the review apps; branches come, move and go, and the controller acts or is dead."""

    @initialize(limit=st.integers(1, 4))
    def begin(self, limit: int) -> None:
        self.now, self.commit = 0.0, 0
        self.rules = msgspec.structs.replace(RULES, limit=limit)
        self.heads: dict[str, str] = {}
        self.own = {
            environment: EnvironmentRecord(environment=environment, created_at=0)
            for environment in (EnvironmentId.parse("shop"), EnvironmentId.parse("shop/staging"), review_environment(SHOP, "d"))
        }
        self.records: dict[EnvironmentId, EnvironmentRecord] = {}

    @rule(branch=BRANCHES)
    def push(self, branch: str) -> None:
        self.commit += 1
        self.heads[branch] = str(self.commit)

    @rule(branch=BRANCHES)
    def delete(self, branch: str) -> None:
        self.heads.pop(branch, None)

    @rule(seconds=st.floats(1, 600))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(done=st.integers(0, 8), is_complete=st.booleans())
    def act(self, done: int, is_complete: bool) -> None:
        """The controller is killed after some of its acts."""
        apps = review_apps([*self.own.values(), *self.records.values()], SHOP)
        free = {branch: head for branch, head in self.heads.items() if review_environment(SHOP, branch) not in self.own}
        for act in plan(SHOP, self.rules, apps, free, is_complete=is_complete, now=self.now)[:done]:
            self._apply(act)

    def _apply(self, act: ReviewAct) -> None:
        assert act.environment not in self.own, "what has no mark is never touched"
        match act:
            case TearDown(environment=environment):
                del self.records[environment]
            case Warn(environment=environment):
                record = self.records[environment]
                assert record.review is not None and not record.review.is_warned, "warned once"
                mark = msgspec.structs.replace(record.review, is_warned=True)
                self.records[environment] = msgspec.structs.replace(record, review=mark)
            case BringUp(environment=environment, branch=branch, head=head):
                mark = used_now(ReviewMark(branch=branch, head=head, settings=self.rules, used_at=0, expires_at=0), self.now)
                self.records[environment] = EnvironmentRecord(environment=environment, created_at=self.now, review=mark)

    @invariant()
    def no_branch_has_two_and_none_is_over_the_limit(self) -> None:
        branches = [record.review.branch for record in self.records.values() if record.review]
        assert len(branches) == len(set(branches))
        assert len(branches) <= self.rules.limit

    @precondition(lambda self: self.now > 0)
    @rule()
    def settle(self) -> None:
        """A controller that lives does all that is to be done, and then there is nothing more to do."""
        self.act(done=100, is_complete=True)
        branches = {record.review.branch: record.review.head for record in self.records.values() if record.review}
        assert branches.items() <= self.heads.items(), "what is gone is gone, and the rest is at its newest commit"
        free = [branch for branch in self.heads if review_environment(SHOP, branch) not in self.own]
        assert len(branches) == min(self.rules.limit, len(free))
        apps = review_apps(list(self.records.values()), SHOP)
        wanted = {branch: head for branch, head in self.heads.items() if branch in branches}
        assert plan(SHOP, self.rules, apps, wanted, is_complete=True, now=self.now) == ()


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(st.lists(st.tuples(BRANCHES, st.floats(0, 2000), st.booleans()), unique_by=lambda each: each[0]), st.floats(0, 3000), st.booleans())
def test_what_is_on_its_way_out_goes_on_whatever_happens(histories: list[tuple[str, float, bool]], now: float, is_complete: bool) -> None:
    apps = [known(branch, used_at=at, leaving="asked for" if is_leaving else "") for branch, at, is_leaving in histories]
    heads = {branch: "2" for branch, _, _ in histories}
    acts = plan(SHOP, RULES, apps, heads, is_complete=is_complete, now=now)
    leaving = {each.environment for each in apps if each.mark.leaving}
    assert leaving <= gone(acts).keys()
    assert not leaving & {act.environment for act in acts if not isinstance(act, TearDown)}
