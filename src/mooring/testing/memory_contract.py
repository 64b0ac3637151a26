"""What every memory keeps, on disk or not: a subclass gives the `memory` fixture, and pytest runs all of it.

Must not: look inside a memory; only what engine.contract.Memory and `put_config` promise is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec
import pytest

from mooring.engine.contract import Memory
from mooring.errors import InvalidInput, InvalidName, LeaseHeld, NotFound, Refused, StaleFence
from mooring.model.config import ConfigVersion
from mooring.model.deployment import Outcome, Phase, Revision
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Lock
from mooring.model.names import DeploymentId, HostId, ProcessName, ServerName
from mooring.model.records import EnvironmentRecord, JournalEntry
from mooring.model.secret import Secret
from mooring.model.service import ServiceServer
from mooring.model.steps import Conclude
from mooring.store.memory import SqliteMemory
from mooring.testing.event_contract import EventContract
from mooring.testing.loan_contract import LoanContract
from mooring.testing.memory import FakeMemory
from mooring.testing.samples import BLOG, SHOP, a_deployment, a_host, a_release, a_server, a_service, a_step, an_answer, an_event


class ConfigurableMemory(Memory, Protocol):
    """The engine's memory, with what it takes to fill it."""

    def put_config(
        self, environment: EnvironmentId, *, changes: Mapping[str, str | Secret], unset: frozenset[str] = ..., by: str, at: float
    ) -> int: ...

    def answer(self, key: str, *, scope: str, digest: str) -> bytes | None: ...

    def config_versions(self, environment: EnvironmentId) -> tuple[ConfigVersion, ...]: ...

    def open_intents(self) -> tuple[JournalEntry, ...]: ...

    def save_service_server(self, server: ServiceServer, address: Secret) -> None: ...

    def forget_service_server(self, name: ServerName) -> None: ...


class EnvironmentContract:
    def test_an_environment_is_kept_as_it_was_saved_last(self, memory: ConfigurableMemory) -> None:
        record = EnvironmentRecord(environment=BLOG, created_at=1.5)
        memory.save_environment(record)
        changed = msgspec.structs.replace(record, revision=Revision(release=3, generation=1, counts={ProcessName("web"): 2}))
        memory.save_environment(changed)
        assert memory.environment(BLOG) == changed

    def test_environments_are_listed_by_name_and_an_unknown_one_is_none(self, memory: ConfigurableMemory) -> None:
        memory.save_environment(EnvironmentRecord(environment=BLOG, created_at=1.0))
        assert [record.environment for record in memory.environments()] == [BLOG, SHOP]
        assert memory.environment(EnvironmentId.parse("nowhere")) is None

    def test_forgetting_an_environment_takes_all_but_its_events_and_leaves_others_alone(self, memory: ConfigurableMemory) -> None:
        memory.save_environment(EnvironmentRecord(environment=BLOG, created_at=1.0))
        memory.add_release(a_release())
        memory.add_deployment(a_deployment())
        memory.add_deployment(a_deployment("d2", environment=BLOG))
        memory.write_intent(deployment=DeploymentId("d1"), environment=SHOP, step=a_step(), fence=1, at=1.0)
        memory.put_config(SHOP, changes={"A": "1"}, by="anna", at=1.0)
        memory.save_lock(Lock(environment=SHOP, by="anna", reason="sale", since=1.0))
        event = memory.append_event(an_event())
        memory.forget_environment(SHOP)
        assert memory.environment(SHOP) is None
        assert memory.releases(SHOP) == ()
        assert memory.config_versions(SHOP) == ()
        assert memory.deployment(DeploymentId("d1")) is None
        assert memory.journal(DeploymentId("d1")) == ()
        assert memory.open_intents() == ()
        assert memory.lock(SHOP) is None
        assert memory.events() == (event,)
        assert [one.id for one in memory.deployments()] == ["d2"]

    def test_forgetting_what_is_not_there_changes_nothing(self, memory: ConfigurableMemory) -> None:
        memory.forget_environment(BLOG)
        assert memory.environment(SHOP) is not None


class ReleaseContract:
    def test_release_numbers_count_from_one_per_environment(self, memory: ConfigurableMemory) -> None:
        memory.save_environment(EnvironmentRecord(environment=BLOG, created_at=1.0))
        assert memory.next_release_number(SHOP) == 1
        memory.add_release(a_release(1))
        memory.add_release(a_release(2))
        assert memory.next_release_number(SHOP) == 3
        assert memory.next_release_number(BLOG) == 1

    def test_a_release_comes_back_whole_and_releases_come_oldest_first(self, memory: ConfigurableMemory) -> None:
        memory.add_release(a_release(2))
        memory.add_release(a_release(1))
        assert memory.releases(SHOP) == (a_release(1), a_release(2))
        assert memory.release(SHOP, 2) == a_release(2)
        assert memory.release(SHOP, 9) is None

    def test_a_release_never_changes(self, memory: ConfigurableMemory) -> None:
        memory.add_release(a_release(1, description="first"))
        memory.add_release(a_release(1, description="first"))
        with pytest.raises(Refused, match="release v1 of shop/production exists already, with other content"):
            memory.add_release(a_release(1, description="other"))
        assert memory.releases(SHOP) == (a_release(1, description="first"),)

    def test_a_release_of_an_unknown_environment_is_refused(self, memory: ConfigurableMemory) -> None:
        with pytest.raises(NotFound, match="there is no environment blog/staging"):
            memory.add_release(a_release(environment=BLOG))


class ConfigContract:
    def test_version_zero_is_empty_and_an_unknown_version_is_not_found(self, memory: ConfigurableMemory) -> None:
        assert memory.config(SHOP, 0) == {}
        with pytest.raises(NotFound, match="shop/production has no config version 1"):
            memory.config(SHOP, 1)

    def test_each_change_makes_a_new_snapshot_and_the_old_ones_stay(self, memory: ConfigurableMemory) -> None:
        first = memory.put_config(SHOP, changes={"LEVEL": "info", "KEY": Secret("s3cr3t")}, by="anna", at=1.0)
        second = memory.put_config(SHOP, changes={"LEVEL": "debug"}, unset=frozenset({"KEY"}), by="ben", at=2.0)
        assert (first, second) == (1, 2)
        assert memory.config(SHOP, 1) == {"LEVEL": "info", "KEY": Secret("s3cr3t")}
        assert memory.config(SHOP, 2) == {"LEVEL": "debug"}
        assert memory.config_versions(SHOP) == (
            ConfigVersion(environment=SHOP, version=1, at=1.0, by="anna", changed=("KEY", "LEVEL")),
            ConfigVersion(environment=SHOP, version=2, at=2.0, by="ben", changed=("LEVEL",), removed=("KEY",)),
        )

    def test_a_change_that_changes_nothing_makes_no_snapshot(self, memory: ConfigurableMemory) -> None:
        memory.put_config(SHOP, changes={"LEVEL": "info"}, by="anna", at=1.0)
        assert memory.put_config(SHOP, changes={"LEVEL": "info"}, unset=frozenset({"NONE"}), by="anna", at=2.0) == 1

    def test_a_value_that_turns_secret_is_a_change(self, memory: ConfigurableMemory) -> None:
        memory.put_config(SHOP, changes={"KEY": "value"}, by="anna", at=1.0)
        assert memory.put_config(SHOP, changes={"KEY": Secret("value")}, by="anna", at=2.0) == 2
        assert memory.config(SHOP, 2) == {"KEY": Secret("value")}

    @pytest.mark.parametrize("value", ["", " ", "a\nb\r\n", "ü€😀", "x" * 65536, "'\"$`\\", "\udcff\udc80"])
    def test_a_value_comes_back_as_it_went_in(self, memory: ConfigurableMemory, value: str) -> None:
        version = memory.put_config(SHOP, changes={"PLAIN": value, "HIDDEN": Secret(value)}, by="anna", at=1.0)
        assert memory.config(SHOP, version) == {"PLAIN": value, "HIDDEN": Secret(value)}

    def test_what_no_process_can_be_given_is_refused(self, memory: ConfigurableMemory) -> None:
        with pytest.raises(InvalidInput, match="the value of KEY holds a NUL byte"):
            memory.put_config(SHOP, changes={"KEY": "a\0b"}, by="anna", at=1.0)
        with pytest.raises(InvalidName, match="variable name 'A=B'"):
            memory.put_config(SHOP, changes={"A=B": "c"}, by="anna", at=1.0)
        with pytest.raises(InvalidInput, match="KEY is both set and unset"):
            memory.put_config(SHOP, changes={"KEY": "c"}, unset=frozenset({"KEY"}), by="anna", at=1.0)
        with pytest.raises(NotFound, match="there is no environment blog/staging"):
            memory.put_config(BLOG, changes={"KEY": "c"}, by="anna", at=1.0)
        assert memory.config_versions(SHOP) == ()


class DeploymentContract:
    def test_a_deployment_is_kept_as_it_was_saved_last(self, memory: ConfigurableMemory) -> None:
        memory.add_deployment(a_deployment())
        ended = msgspec.structs.replace(a_deployment(), phase=Phase.ENDED, outcome=Outcome.FAILED, ended_at=9.0, error="no answer")
        memory.save_deployment(ended)
        assert memory.deployment(DeploymentId("d1")) == ended
        assert memory.deployment(DeploymentId("d2")) is None

    def test_deployments_come_newest_first_and_limited(self, memory: ConfigurableMemory) -> None:
        memory.save_environment(EnvironmentRecord(environment=BLOG, created_at=1.0))
        for number in (1, 2, 3):
            memory.add_deployment(a_deployment(f"d{number}", number=number))
        memory.add_deployment(a_deployment("b1", environment=BLOG))
        memory.save_deployment(a_deployment("d1"))
        assert [one.id for one in memory.deployments()] == ["b1", "d3", "d2", "d1"]
        assert [one.id for one in memory.deployments(SHOP, limit=2)] == ["d3", "d2"]

    def test_unfinished_deployments_come_oldest_first(self, memory: ConfigurableMemory) -> None:
        for number in (1, 2, 3):
            memory.add_deployment(a_deployment(f"d{number}", number=number))
        memory.save_deployment(msgspec.structs.replace(a_deployment("d2", number=2), outcome=Outcome.SUCCEEDED))
        assert [one.id for one in memory.unfinished_deployments()] == ["d1", "d3"]

    def test_a_deployment_is_added_once_and_only_a_known_one_is_saved(self, memory: ConfigurableMemory) -> None:
        memory.add_deployment(a_deployment())
        memory.add_deployment(a_deployment())
        with pytest.raises(Refused, match="deployment d1 exists already"):
            memory.add_deployment(a_deployment(number=2))
        with pytest.raises(NotFound, match="there is no deployment d9"):
            memory.save_deployment(a_deployment("d9"))
        with pytest.raises(NotFound, match="there is no environment blog/staging"):
            memory.add_deployment(a_deployment("d8", environment=BLOG))

    def test_a_deployment_and_the_answer_to_its_request_are_kept_together_or_not_at_all(self, memory: ConfigurableMemory) -> None:
        memory.add_deployment(a_deployment(), answer=an_answer("k1", content=b"first"))
        assert memory.answer("k1", scope="ci", digest="d") == b"first"
        with pytest.raises(Refused, match="deployment d1 exists already"):
            memory.add_deployment(a_deployment(number=2), answer=an_answer("k2"))
        assert memory.answer("k2", scope="ci", digest="d") is None
        with pytest.raises(Refused, match="'k1' was answered already"):
            memory.add_deployment(a_deployment("d2", number=2), answer=an_answer("k1", content=b"second"))
        with pytest.raises(Refused, match="'k1' was used for another request"):
            memory.add_deployment(a_deployment("d2", number=2), answer=an_answer("k1", digest="other"))
        assert memory.deployment(DeploymentId("d2")) is None


class JournalContract:
    def test_an_intent_is_open_until_its_outcome_is_written(self, memory: ConfigurableMemory) -> None:
        memory.add_deployment(a_deployment())
        first = memory.write_intent(deployment=DeploymentId("d1"), environment=SHOP, step=a_step(1), fence=7, at=1.0)
        second = memory.write_intent(deployment=DeploymentId("d1"), environment=SHOP, step=a_step(2), fence=7, at=2.0)
        memory.write_outcome(first, outcome="done", at=3.0, detail="port 4001")
        done, still_open = memory.journal(DeploymentId("d1"))
        assert first < second
        assert (done.step, done.fence, done.outcome, done.detail, done.ended_at) == (a_step(1), 7, "done", "port 4001", 3.0)
        assert (still_open.sequence, still_open.outcome, still_open.ended_at) == (second, "", None)
        assert memory.open_intents() == (still_open,)

    def test_every_kind_of_step_comes_back_as_it_was(self, memory: ConfigurableMemory) -> None:
        step = Conclude(outcome=Outcome.SUCCEEDED, reason="v2 serves")
        memory.write_intent(deployment=None, environment=SHOP, step=step, fence=1, at=1.0)
        assert memory.open_intents()[0].step == step

    def test_an_intent_of_no_deployment_is_kept_apart(self, memory: ConfigurableMemory) -> None:
        memory.add_deployment(a_deployment())
        sequence = memory.write_intent(deployment=None, environment=BLOG, step=a_step(), fence=1, at=1.0)
        assert memory.journal(DeploymentId("d1")) == ()
        assert [entry.sequence for entry in memory.open_intents()] == [sequence]

    def test_the_journal_refuses_what_never_was(self, memory: ConfigurableMemory) -> None:
        with pytest.raises(NotFound, match="there is no deployment d1"):
            memory.write_intent(deployment=DeploymentId("d1"), environment=SHOP, step=a_step(), fence=1, at=1.0)
        with pytest.raises(NotFound, match="there is no journal entry 99"):
            memory.write_outcome(99, outcome="done", at=1.0)

    def test_the_outcome_of_an_entry_forgotten_with_its_environment_is_no_error(self, memory: ConfigurableMemory) -> None:
        sequence = memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=1, at=1.0)
        memory.forget_environment(SHOP)
        memory.write_outcome(sequence, outcome="done", at=1.0)
        assert memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=2, at=2.0) > sequence


class HostContract:
    def test_a_host_is_kept_as_it_was_saved_last_until_it_is_forgotten(self, memory: ConfigurableMemory) -> None:
        for host in (a_host("web-2"), a_host("web-1")):
            memory.save_host(host)
        changed = msgspec.structs.replace(a_host("web-2"), is_draining=True)
        memory.save_host(changed)
        assert memory.hosts() == (a_host("web-1"), changed)
        memory.forget_host(HostId("web-1"))
        memory.forget_host(HostId("web-1"))
        assert memory.hosts() == (changed,)


class ServiceContract:
    def test_a_server_is_kept_with_its_address_apart_until_it_is_forgotten(self, memory: ConfigurableMemory) -> None:
        for name in ("b", "a"):
            memory.save_service_server(a_server(name), Secret(f"postgresql://admin@{name}/postgres"))
        changed = a_server("b", version="16.2")
        memory.save_service_server(changed, Secret("postgresql://elsewhere/postgres"))
        assert memory.service_servers() == (a_server("a"), changed)
        assert memory.service_address(changed.name) == Secret("postgresql://elsewhere/postgres")
        memory.forget_service_server(changed.name)
        memory.forget_service_server(changed.name)
        assert (memory.service_servers(), memory.service_address(changed.name)) == ((a_server("a"),), None)

    def test_a_service_is_kept_as_it_was_saved_last_with_its_passwords_apart(self, memory: ConfigurableMemory) -> None:
        begun, other = a_service(is_ready=False), a_service(environment=BLOG)
        memory.save_service(begun, {begun.login: Secret("one")})
        memory.save_service(other, {other.login: Secret("two")})
        done = a_service()
        memory.save_service(done, {done.login: Secret("one"), "m_2": Secret("three")})
        assert (memory.services(), memory.services(SHOP)) == ((other, done), (done,))
        assert memory.service_passwords(SHOP, done.piece.service) == {done.login: Secret("one"), "m_2": Secret("three")}
        assert memory.service_passwords(SHOP, a_service("cache").piece.service) == {}

    def test_a_service_outlives_its_environment_until_it_is_forgotten(self, memory: ConfigurableMemory) -> None:
        service = a_service()
        memory.save_service(service, {service.login: Secret("one")})
        memory.forget_environment(SHOP)
        assert memory.services(SHOP) == (service,)
        memory.forget_service(SHOP, service.piece.service)
        memory.forget_service(SHOP, service.piece.service)
        assert (memory.services(), memory.service_passwords(SHOP, service.piece.service)) == ((), {})


class LeaseContract:
    def test_the_fence_grows_with_every_taking_per_environment(self, memory: ConfigurableMemory) -> None:
        first = memory.take_lease(SHOP, holder="c1 d1", now=0.0, dead_after=15.0)
        memory.release_lease(first)
        second = memory.take_lease(SHOP, holder="c1 d2", now=1.0, dead_after=15.0)
        again = memory.take_lease(SHOP, holder="c1 d2", now=2.0, dead_after=15.0)
        assert (first.fence, second.fence, again.fence) == (1, 2, 3)
        assert memory.take_lease(BLOG, holder="c1 d2", now=1.0, dead_after=15.0).fence == 1

    def test_the_fence_is_no_less_than_the_clock_and_grows_when_that_goes_back(self, memory: ConfigurableMemory) -> None:
        fences = [memory.take_lease(SHOP, holder="c1", now=now, dead_after=15.0).fence for now in (1000.9, 5000.0, 2000.0, 5001.5)]
        assert fences == [1000, 5000, 5001, 5002]

    def test_the_fence_goes_on_growing_after_the_environment_was_forgotten(self, memory: ConfigurableMemory) -> None:
        lease = memory.take_lease(SHOP, holder="c1", now=0.0, dead_after=15.0)
        memory.forget_environment(SHOP)
        memory.release_lease(lease)
        assert memory.take_lease(SHOP, holder="c1", now=1.0, dead_after=15.0).fence == 2

    def test_a_living_owner_keeps_it_and_a_dead_one_is_taken_over(self, memory: ConfigurableMemory) -> None:
        owner = memory.take_lease(SHOP, holder="c1", now=0.0, dead_after=15.0)
        memory.renew_lease(owner, now=10.0)
        with pytest.raises(LeaseHeld, match="shop/production is held by c1"):
            memory.take_lease(SHOP, holder="c2", now=24.9, dead_after=15.0)
        taken = memory.take_lease(SHOP, holder="c2", now=25.0, dead_after=15.0)
        assert (taken.holder, taken.fence > owner.fence, taken.since) == ("c2", True, 25.0)

    def test_renewing_moves_the_heartbeat_and_nothing_else(self, memory: ConfigurableMemory) -> None:
        lease = memory.take_lease(SHOP, holder="c1", now=1.0, dead_after=15.0)
        renewed = memory.renew_lease(lease, now=6.0)
        assert renewed == msgspec.structs.replace(lease, heartbeat=6.0)
        assert memory.lease(SHOP) == renewed

    def test_a_lost_lease_is_neither_renewed_nor_released_for_its_new_owner(self, memory: ConfigurableMemory) -> None:
        old = memory.take_lease(SHOP, holder="c1", now=0.0, dead_after=15.0)
        new = memory.take_lease(SHOP, holder="c2", now=20.0, dead_after=15.0)
        with pytest.raises(StaleFence, match="the lease of shop/production under fence 1 was lost"):
            memory.renew_lease(old, now=21.0)
        memory.release_lease(old)
        assert memory.lease(SHOP) == new

    def test_a_released_lease_is_gone_and_cannot_be_renewed(self, memory: ConfigurableMemory) -> None:
        lease = memory.take_lease(SHOP, holder="c1", now=0.0, dead_after=15.0)
        memory.release_lease(lease)
        memory.release_lease(lease)
        assert memory.lease(SHOP) is None
        with pytest.raises(StaleFence):
            memory.renew_lease(lease, now=1.0)

    def test_a_heartbeat_from_the_future_does_not_hold_for_ever(self, memory: ConfigurableMemory) -> None:
        """The owner died, and then the clock went back an hour."""
        memory.take_lease(SHOP, holder="c1", now=3600.0, dead_after=15.0)
        with pytest.raises(LeaseHeld):
            memory.take_lease(SHOP, holder="c2", now=3590.0, dead_after=15.0)
        assert memory.take_lease(SHOP, holder="c2", now=0.0, dead_after=15.0).fence == 3601


class LockContract:
    def test_a_lock_stays_until_it_is_removed(self, memory: ConfigurableMemory) -> None:
        lock = Lock(environment=SHOP, by="anna", reason="sale", since=1.0)
        memory.save_lock(lock)
        changed = msgspec.structs.replace(lock, by="ben")
        memory.save_lock(changed)
        assert memory.lock(SHOP) == changed
        memory.remove_lock(SHOP)
        memory.remove_lock(SHOP)
        assert memory.lock(SHOP) is None


class MemoryContract(
    EnvironmentContract,
    ReleaseContract,
    ConfigContract,
    DeploymentContract,
    JournalContract,
    EventContract,
    HostContract,
    LoanContract,
    ServiceContract,
    LeaseContract,
    LockContract,
):
    """All of it, over a memory in which the environment shop/production exists and nothing else."""

    @pytest.fixture
    def memory(self, empty: ConfigurableMemory) -> ConfigurableMemory:
        """A subclass gives `empty`."""
        empty.save_environment(EnvironmentRecord(environment=SHOP, created_at=0.0))
        return empty


_: tuple[type[ConfigurableMemory], ...] = (FakeMemory, SqliteMemory)
