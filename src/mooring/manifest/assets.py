"""From the layers to the assets that a bucket is to serve, and what can be wrong about them. Must not: know which files there are."""

from __future__ import annotations

from mooring.manifest.keys.assets import SAY_BUCKET
from mooring.manifest.layers import Layers
from mooring.manifest.problems import Problems
from mooring.model.assets import AssetSettings


def assets_of(layers: Layers, *, problems: Problems) -> AssetSettings | None:
    """None where nothing is to be pushed."""
    path, bucket = layers.text("assets.path"), layers.text("assets.bucket")
    if not path:
        return None
    if not bucket:
        file, line = layers.place("assets.path")
        problems.add(file, line, key="assets.bucket", message="[assets] does not say which bucket its files go to", hint=SAY_BUCKET)
        return None
    return AssetSettings(
        path=path.rstrip("/"),
        bucket=bucket,
        endpoint=layers.text("assets.endpoint"),
        region=layers.text("assets.region"),
        url=layers.text("assets.url"),
        keep=float(str(layers.value("assets.keep"))),
        hashed_names=layers.value("assets.hashed_names") is True,
    )
