"""The store as one object: fulfils engine.contract.Memory on SQLite, with config, registries, tokens, audit and answers for the use cases.

    memory = SqliteMemory.open(directory)

Every method may be called from any thread; a write blocks for one disk sync (well below a millisecond on an SSD).
Must not: hold anything in memory that is not on disk.
"""

from __future__ import annotations

from pathlib import Path

from mooring.store.answers import AnswerShelf
from mooring.store.audit import AuditShelf
from mooring.store.certificates import CertificateShelf
from mooring.store.config import ConfigShelf
from mooring.store.deployments import DeploymentShelf
from mooring.store.environments import EnvironmentShelf
from mooring.store.events import EventShelf
from mooring.store.forges import ForgeShelf
from mooring.store.hosts import HostShelf
from mooring.store.journal import JournalShelf
from mooring.store.leases import LeaseShelf
from mooring.store.loans import LoanShelf
from mooring.store.opening import open_database
from mooring.store.registries import RegistryShelf
from mooring.store.releases import ReleaseShelf
from mooring.store.retention import RetentionShelf
from mooring.store.services import ServiceShelf
from mooring.store.tokens import TokenShelf


class SqliteMemory(
    EnvironmentShelf,
    ReleaseShelf,
    ConfigShelf,
    DeploymentShelf,
    JournalShelf,
    EventShelf,
    ForgeShelf,
    HostShelf,
    LoanShelf,
    RegistryShelf,
    ServiceShelf,
    LeaseShelf,
    TokenShelf,
    AuditShelf,
    AnswerShelf,
    RetentionShelf,
    CertificateShelf,
):
    """One state directory. Raises Unavailable when the disk does not work, StateDamaged when the state is not what it was."""

    @classmethod
    def open(cls, directory: Path) -> SqliteMemory:
        """Make it (0700), bring it up to date, or refuse. Raises StateDamaged, NeedsPerson, Unavailable."""
        memory = cls(open_database(directory), directory)
        try:
            memory.check_keys()
        except BaseException:
            memory.close()
            raise
        return memory

    def close(self) -> None:
        self._database.close()
