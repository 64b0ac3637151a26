"""From the layers to the accessories beside an app, and what can be wrong with one. Must not: know which hosts there are."""

from __future__ import annotations

from collections.abc import Iterator

from mooring.manifest import wording
from mooring.manifest.layers import Layers
from mooring.manifest.problems import Problems
from mooring.model.accessory import Accessory, blanks
from mooring.model.health import Check, CheckKind, Checks
from mooring.model.names import AccessoryName, HostId, RegionName, VariableName

_FILLED = ("address", "port")
_STARTUP, _READINESS, _TIMEOUT = 0.2, 2.0, 3.0  # seconds


def accessories_of(layers: Layers, *, problems: Problems) -> tuple[Accessory, ...]:
    """In the order in which they are first named."""
    names = dict.fromkeys(key.partition(".")[0] for key in layers.below("accessories"))
    made = tuple(_accessory(name, layers) for name in names)
    for accessory in made:
        for word, message, hint in _contradictions(accessory):
            key = f"accessories.{accessory.name}"
            file, line = layers.place(f"{key}.{word}", *(f"{key}.{each}" for each in layers.below(key)))
            problems.add(file, line, key=f"{key}.{word}", message=f"{key} {message}", hint=hint)
    return made


def _accessory(name: str, layers: Layers) -> Accessory:
    table = f"accessories.{name}"
    secrets = layers.value(f"{table}.secrets")
    host, region = layers.text(f"{table}.host"), layers.text(f"{table}.region")
    return Accessory(
        name=AccessoryName(name),
        image=layers.text(f"{table}.image"),
        command=layers.text(f"{table}.command"),
        port=int(str(layers.value(f"{table}.port") or 0)),
        volume=layers.text(f"{table}.volume"),
        host=HostId(host) if host else None,
        region=RegionName(region) if region else None,
        variables={variable: str(found.value) for variable, found in layers.below(f"{table}.env").items()},
        secrets=tuple(VariableName(str(secret)) for secret in secrets) if isinstance(secrets, tuple) else (),
        url=layers.text(f"{table}.url"),
        memory=int(str(layers.value(f"{table}.memory") or 0)),
        stop_signal=layers.text(f"{table}.stop_signal"),
        kill_timeout=float(str(layers.value(f"{table}.kill_timeout"))),
        checks=_checks(layers.text(f"{table}.health.path")),
    )


def _checks(path: str) -> Checks:
    kind, paths = (CheckKind.HTTP, (path,)) if path else (CheckKind.TCP, ())

    def asked(interval: float) -> Check:
        return Check(kind=kind, paths=paths, host="localhost" if path else "", interval=interval, timeout=_TIMEOUT)

    return Checks(startup=asked(_STARTUP), readiness=asked(_READINESS))


def _contradictions(accessory: Accessory) -> Iterator[tuple[str, str, str]]:
    """The key that is wrong, what is wrong with the accessory, and what to do."""
    if not accessory.image and not accessory.command:
        yield "image", "says neither an image nor a command", 'say what it runs: image = "redis:7", or command = "redis-server …"'
    elif not accessory.image and accessory.port:
        yield "port", "names a port and no image: a command is told its port", "leave port out, and let the command listen on $PORT"
    elif not accessory.image and accessory.volume:
        yield "volume", "names a volume and no image: a command always has one", "leave volume out, and use $VOLUME in the command"
    if accessory.host and accessory.region:
        yield "region", "names a host and a region", "leave one of them out"
    known = [*_FILLED, *accessory.secrets]
    for blank in blanks(accessory.url):
        if blank not in known:
            close = wording.suggestion(blank, known)
            hint = (
                f"did you mean {{{close}}}?" if close else f'there is {wording.joined(known)}; name further ones in secrets = ["{blank}"]'
            )
            yield "url", f"has {{{blank}}} in its url, and no secret of that name", hint
