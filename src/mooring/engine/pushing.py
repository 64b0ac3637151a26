"""Steps that concern assets, taken until they are done for certain: each may be repeated. Must not: decide what is pushed or goes."""

from __future__ import annotations

from mooring.engine.hands import Hands
from mooring.engine.parts import Parts
from mooring.engine.provision import done
from mooring.model.assets import AssetCount
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Lease
from mooring.model.release import Release
from mooring.model.steps import PruneAssets, PushAssets, RemoveAssets
from mooring.planner.goal import Wanted

_HINT = "nothing was touched that serves; what was pushed is not pushed again when you deploy again"


def push_of(release: Release, before: Wanted | None) -> tuple[PushAssets, ...]:
    """Of a release that is to serve and does not yet: one that is gone back to may have lost its files since."""
    if release.assets is None or (before is not None and before.release.number == release.number):
        return ()
    reason = f"pages of {release.version} load them as soon as it serves"
    return (PushAssets(release=release.number, bucket=release.assets.bucket, reason=reason),)


async def push(parts: Parts, target: Wanted, before: Wanted | None, deployment: Deployment, lease: Lease) -> AssetCount | None:
    """None where there are none. Raises InvalidInput, Refused, Unavailable."""
    hands = Hands(parts, lease, deployment.id)
    for step in push_of(target.release, before):
        await done(parts, hands, step, hint=_HINT)
    return hands.assets


async def prune(parts: Parts, lease: Lease) -> None:
    """After a while without a release that wants them. Raises what the bucket says, at the first try."""
    if parts.assets.used(lease.environment):
        hands = Hands(parts, lease, None)
        await done(parts, hands, PruneAssets(reason="no page that is open can need them any more"), tries=1, hint=_HINT)


async def remove_assets(parts: Parts, hands: Hands, environment: EnvironmentId) -> None:
    """Raises InvalidInput, Refused, Unavailable."""
    if parts.assets.used(environment):
        hint = "`mooring destroy` once more removes them when the bucket answers"
        await done(parts, hands, RemoveAssets(reason=f"{environment} is destroyed"), hint=hint)
