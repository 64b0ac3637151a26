"""Every value of a reading with the place it comes from, for `mooring config show --origin`. Must not: show what it does not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from mooring.manifest.keys.key import Key
from mooring.manifest.keys.processes import PROCESSES
from mooring.manifest.keys.table import KEYS, pattern_of
from mooring.manifest.kinds.kind import Kind
from mooring.manifest.layers import Layers
from mooring.manifest.manifest import Setting
from mooring.model.names import Hostname, ProcessName
from mooring.model.release import ProcessType

DEFAULT = "default"
_COMMANDS = {"config": "config set", "secret": "secret set"}


def settings_of(
    layers: Layers, *, processes: Sequence[ProcessType], hostnames: Sequence[Hostname], config: Mapping[str, str]
) -> tuple[Setting, ...]:
    """The keys of the table in its order, then what is said below names of the user's, then variables."""
    computed: dict[str, str] = {"hostnames": ", ".join(hostnames)}
    computed |= {f"processes.{process.name}.routed": "true" if process.is_routed else "false" for process in processes}
    keys = [*_fixed_keys(), *_process_keys(processes)]
    known = {process.name for process in processes}
    listed = set(keys)
    keys += [key for key in layers if key not in listed and not key.startswith("env.") and _is_of(key, known)]
    said = [_setting(key, layers, computed=computed) for key in keys]
    plain = [_setting(f"env.{name}", layers, computed={}) for name in layers.below("env") if name not in config]
    by_command = [Setting(key=f"env.{name}", value="", origin=_COMMANDS.get(kind, kind)) for name, kind in config.items()]
    return tuple(said + sorted(plain + by_command, key=lambda setting: setting.key))


def _is_of(key: str, processes: Set[ProcessName]) -> bool:
    """False for what app.json says of a process type that there is not."""
    parts = key.split(".")
    return parts[0] != "processes" or parts[1] in processes


def _fixed_keys() -> Iterator[str]:
    return (path for path in KEYS if not any(part.isupper() for part in path.split(".")))


def _process_keys(processes: Sequence[ProcessType]) -> Iterator[str]:
    for process in processes:
        for key in PROCESSES.keys:
            if key.name != "path" or process.is_routed:
                yield f"processes.{process.name}.{key.name}"


def _setting(key: str, layers: Layers, *, computed: Mapping[str, str]) -> Setting:
    row: Key = KEYS[pattern_of(key) or key]
    found = layers.found(key)
    if found is not None:
        return Setting(key=key, value=_plain(row.kind, found.value), origin=found.origin)
    value = computed.get(key) or ("" if row.default is None else _plain(row.kind, row.default))
    return Setting(key=key, value=value, origin=DEFAULT)


def _plain(kind: Kind, value: object) -> str:
    if isinstance(value, str):
        return value
    return ", ".join(str(item) for item in value) if isinstance(value, tuple) else kind.write(value).strip('"')
