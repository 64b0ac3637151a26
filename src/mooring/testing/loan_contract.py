"""What every memory keeps of hosts that are borrowed; a part of `mooring.testing.memory_contract`. Must not: look inside a memory."""

from __future__ import annotations

import msgspec

from mooring.engine.contract import Memory
from mooring.model.capacity import Lent, Loan, Need
from mooring.model.host import HostAddress, HostRuntime
from mooring.model.names import RegionName


def a_loan(key: str = "c0ffee-00000001") -> Loan:
    need = Need(region=RegionName("eu"), memory=2_000_000_000, runtime=HostRuntime.SYSTEMD)
    return Loan(key=key, need=need, reason="shop/new-checkout waits for room", since=5.0)


class LoanContract:
    def test_a_loan_is_kept_as_it_was_saved_last_until_it_is_forgotten(self, memory: Memory) -> None:
        first, second = a_loan(), a_loan("c0ffee-00000002")
        memory.save_loan(second)
        memory.save_loan(first)
        lent = Lent(key=second.key, address=HostAddress("root", "203.0.113.7", 2222), host_key="ssh-ed25519 AAAA", memory=5)
        changed = msgspec.structs.replace(second, lent=lent, leaving="nothing is on it")
        memory.save_loan(changed)
        assert memory.loans() == (first, changed)
        memory.forget_loan(first.key)
        memory.forget_loan(first.key)
        assert memory.loans() == (changed,)
