"""What a change of config makes of the snapshot before it. Must not: know how snapshots are kept, or print a value."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mooring.errors import InvalidInput
from mooring.model.environment import EnvironmentId
from mooring.model.names import variable_name
from mooring.model.secret import Secret

Variables = Mapping[str, str | Secret]


class ConfigVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable snapshot, without its values. `changed` and `removed` name the variables that differ from the one before."""

    environment: EnvironmentId
    version: int
    at: float
    by: str
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def next_config(latest: Variables, *, changes: Variables, unset: frozenset[str]) -> dict[str, str | Secret]:
    """The snapshot after `latest`; raises InvalidName, InvalidInput. A name in `unset` that is not there is no error.

    A secret may hold any bytes: those that an environment cannot carry reach a process as a file."""
    for name in unset:
        variable_name(name)
    for name, value in changes.items():
        if variable_name(name) in unset:
            raise InvalidInput(f"{name} is both set and unset", hint="say one of them")
        if isinstance(value, str) and "\0" in value:
            raise InvalidInput(f"the value of {name} holds a NUL byte", hint="no process can be given that; encode it, say as base64")
    return {name: value for name, value in {**latest, **changes}.items() if name not in unset}


def differences(latest: Variables, following: Variables) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names that were added or have another value or kind, and names that are gone; each sorted."""
    changed = sorted(name for name, value in following.items() if latest.get(name) != value)
    return tuple(changed), tuple(sorted(latest.keys() - following.keys()))


def revealed(value: str | Secret) -> str:
    """The text itself: only for the process or the cipher it is meant for."""
    return value.reveal() if isinstance(value, Secret) else value
