"""What may be asked of the engine: each order becomes a deployment with a journal, events and a receipt. Must not: carry a secret."""

from __future__ import annotations

import msgspec

from mooring.model.accessory import Accessory
from mooring.model.deployment import Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.host import Sight
from mooring.model.instance import InstanceView
from mooring.model.names import HostId, ProcessName, ServiceName
from mooring.model.promotion import Promotion
from mooring.model.release import Source
from mooring.model.routing import RouteView
from mooring.model.steps import Step


class DeployOrder(msgspec.Struct, frozen=True, kw_only=True, tag="deploy"):
    """Build this uploaded source archive and run it. The engine removes the archive when it is done with it.

    With a `promotion` nothing is built: what another environment's release runs is run by what the source says of this one.
    """

    archive: str  # an absolute path
    origin: Source
    promotion: Promotion | None = None


class ConfigOrder(msgspec.Struct, frozen=True, kw_only=True, tag="config"):
    """Run the present artifact with this config snapshot (already in the memory) as a new release."""

    config_version: int
    description: str


class RollbackOrder(msgspec.Struct, frozen=True, kw_only=True, tag="rollback"):
    """Run again what release `number` ran: artifact, config, process types, as a new release. None: the one before the present."""

    number: int | None = None


class ScaleOrder(msgspec.Struct, frozen=True, kw_only=True, tag="scale"):
    counts: dict[ProcessName, int]


class RestartOrder(msgspec.Struct, frozen=True, kw_only=True, tag="restart"):
    """All instances anew, start-first, same release."""


class AccessoryOrder(msgspec.Struct, frozen=True, kw_only=True, tag="accessory"):
    """Run an accessory as it is declared; one that runs otherwise ends first. `beside`: where the app is, if nothing else says a host."""

    accessory: Accessory
    beside: HostId


class RotateOrder(msgspec.Struct, frozen=True, kw_only=True, tag="rotate"):
    """A new password for a service: all instances anew with it, start-first, same release; then the old one is no more."""

    service: ServiceName


class ReseedOrder(msgspec.Struct, frozen=True, kw_only=True, tag="reseed"):
    """A review app's data laid in once more, by a new release of the same code and config."""


class DestroyOrder(msgspec.Struct, frozen=True, kw_only=True, tag="destroy"):
    """Stop and remove all that this environment owns, its accessories too; `keeps_volume`: but for what it has kept on disk.

    Its services, with all that is in them, go only where it is said.
    """

    keeps_volume: bool = False
    services: bool = False


def encode_order(order: Order) -> str:
    """The order as JSON, to be taken up again after a crash."""
    return msgspec.json.encode(order).decode()


def decode_order(text: str) -> Order:
    """What `encode_order` wrote."""
    return _DECODER.decode(text)


Order = DeployOrder | ConfigOrder | RollbackOrder | ScaleOrder | RestartOrder | RotateOrder | ReseedOrder | AccessoryOrder | DestroyOrder
_DECODER: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)


_TRIGGERS: dict[type, Trigger] = {
    DeployOrder: Trigger.DEPLOY,
    ConfigOrder: Trigger.CONFIG,
    RollbackOrder: Trigger.ROLLBACK,
    ScaleOrder: Trigger.SCALE,
    RestartOrder: Trigger.RESTART,
    AccessoryOrder: Trigger.DEPLOY,
    RotateOrder: Trigger.ROTATE,
    ReseedOrder: Trigger.RESEED,
    DestroyOrder: Trigger.DESTROY,
}


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was last seen of an environment, and how many seconds ago. `away`: those of its hosts that do not answer now."""

    environment: EnvironmentId
    age: float
    instances: tuple[InstanceView, ...]
    routes: RouteView | None
    away: tuple[Sight, ...] = ()


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What an order would do, touching nothing. `notes` are sentences: gaps, refusals to come, deadlines."""

    environment: EnvironmentId
    description: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


def trigger_of(order: Order) -> Trigger:
    """What kind of deployment it becomes."""
    return _TRIGGERS[type(order)]


def describe(order: Order) -> str:
    """In a few words."""
    match order:
        case DeployOrder(origin=origin, promotion=promotion):
            return _deploy_words(origin) if promotion is None else f"promote {promotion.origin} ({origin.commit[:7] or 'no commit'})"
        case ConfigOrder(description=description):
            return description
        case RollbackOrder(number=number):
            return f"rollback to v{number}" if number else "rollback"
        case ScaleOrder(counts=counts):
            return "scale " + " ".join(f"{name}={count}" for name, count in counts.items())
        case RotateOrder(service=name):
            return f"service rotate {name}"
        case RestartOrder():
            return "restart"
        case ReseedOrder():
            return "the seed command once more, in a new release of the same code"
        case AccessoryOrder(accessory=accessory):
            return f"accessory {accessory.name}"
        case DestroyOrder():
            return "destroy"


def _deploy_words(origin: Source) -> str:
    commit = origin.commit[:7] or "a tree without a commit"
    return f"deploy {commit}" + (" and uncommitted changes" if origin.is_dirty and origin.commit else "")
