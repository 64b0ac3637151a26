"""From the layers to where an app runs, and what can be wrong about it. Must not: know which hosts there are."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.manifest import wording
from mooring.manifest.layers import Layers
from mooring.manifest.problems import Problems
from mooring.model.host import HostRuntime
from mooring.model.names import HostId, ProcessName, RegionName
from mooring.model.placement import Region
from mooring.model.release import ProcessType


def runtime_of(layers: Layers, *, problems: Problems) -> HostRuntime | None:
    """As said; None where nothing is."""
    said = layers.text("runtime")
    runtime = HostRuntime(said) if said else None
    if runtime not in (None, HostRuntime.PROCESS) and not layers.below("regions"):
        file, line = layers.place("runtime")
        message = f'runtime is "{said}", and without a region the app runs on the controller\'s machine, as processes'
        hint = "add a host with `mooring host add`, and name its region here: [regions.default]"
        problems.add(file, line, key="runtime", message=message, hint=hint)
    return runtime


def regions_of(layers: Layers, processes: Sequence[ProcessType], *, is_complete: bool, problems: Problems) -> tuple[Region, ...]:
    """In the order in which they are first named."""
    below = layers.below("regions")
    names = list(dict.fromkeys(key.partition(".")[0] for key in below))
    if is_complete:
        _report_unknown_processes(layers, [process.name for process in processes], problems)
    return tuple(_region(name, layers) for name in names)


def _region(name: str, layers: Layers) -> Region:
    hosts = layers.found(f"regions.{name}.hosts")
    counts = layers.below(f"regions.{name}.count")
    return Region(
        name=RegionName(name),
        hosts=tuple(HostId(str(host)) for host in hosts.value) if hosts and isinstance(hosts.value, tuple) else (),
        counts={ProcessName(process): int(str(found.value)) for process, found in counts.items()},
    )


def _report_unknown_processes(layers: Layers, known: Sequence[str], problems: Problems) -> None:
    for key, found in layers.below("regions").items():
        region, _, rest = key.partition(".")
        if not rest.startswith("count.") or (name := rest.removeprefix("count.")) in known:
            continue
        close = wording.suggestion(name, known)
        hint = f"did you mean {close}?" if close else f"there is {wording.joined(known)}" if known else "there is no process type yet"
        whole = f"regions.{region}.count.{name}"
        problems.add(found.file, found.line, key=whole, message=f"{whole} counts a process type that there is not", hint=hint)
