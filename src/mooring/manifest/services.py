"""From the layers to the data services an app asks for, and what can be wrong about them. Must not: know which servers there are."""

from __future__ import annotations

from mooring.manifest.keys.services import SAY_TYPE
from mooring.manifest.layers import Layers
from mooring.manifest.problems import Problems
from mooring.model.names import EnvironmentName, ServiceName
from mooring.model.service import PREFIXES, ServiceKind, ServiceWish


def services_of(layers: Layers, *, problems: Problems) -> tuple[ServiceWish, ...]:
    """In the order in which they are first named."""
    below = layers.below("services")
    names = list(dict.fromkeys(key.partition(".")[0] for key in below))
    wishes = [wish for name in names if (wish := _wish(name, layers, problems)) is not None]
    _report_shared_prefixes(wishes, layers, problems)
    return tuple(wishes)


def _wish(name: str, layers: Layers, problems: Problems) -> ServiceWish | None:
    key = f"services.{name}"
    said = layers.text(f"{key}.type")
    if not said:
        file, line = layers.place(f"{key}.server", f"{key}.prefix", key)
        problems.add(file, line, key=f"{key}.type", message=f"{key} does not say what it is", hint=SAY_TYPE)
        return None
    kind = ServiceKind(said)
    prefix = layers.text(f"{key}.prefix") or PREFIXES[kind]
    source = layers.text(f"{key}.from")
    masks = {word: layers.text(f"{key}.{word}") for word in ("mask", "mask_command")}
    for word in (word for word, said in masks.items() if said and not source):
        file, line = layers.place(f"{key}.{word}")
        hint = f'say what it is a copy of: from = "template", or leave {key}.{word} out'
        problems.add(file, line, key=f"{key}.{word}", message=f"{key}.{word} masks a copy, and {key} is none", hint=hint)
    return ServiceWish(
        name=ServiceName(name),
        kind=kind,
        server=layers.text(f"{key}.server"),
        prefix=prefix,
        source=EnvironmentName(source) if source else None,
        mask=masks["mask"],
        mask_command=masks["mask_command"],
    )


def _report_shared_prefixes(wishes: list[ServiceWish], layers: Layers, problems: Problems) -> None:
    """Two under one name would hide each other."""
    known: dict[str, ServiceWish] = {}
    for wish in wishes:
        first = next((known[name] for name in wish.variables if name in known), None)
        known |= {str(name): wish for name in wish.variables}
        if first is not None:
            key = f"services.{wish.name}"
            file, line = layers.place(f"{key}.prefix", f"{key}.type")
            message = f"{key} and services.{first.name} both give {wish.variables[0]}"
            hint = f'give one of them another prefix, like prefix = "{wish.name.upper().replace("-", "_")}"'
            problems.add(file, line, key=f"{key}.prefix", message=message, hint=hint)
