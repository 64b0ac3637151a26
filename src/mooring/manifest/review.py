"""From the layers to how an app's review apps are to be. Must not: know which there are."""

from __future__ import annotations

from mooring.manifest.layers import Layers
from mooring.model.review import ReviewAccess, ReviewSettings


def review_of(layers: Layers) -> ReviewSettings:
    """All of `[review]` but what it lays over other keys."""
    branches, networks = layers.value("review.branches"), layers.value("review.networks")
    return ReviewSettings(
        branches=tuple(str(pattern) for pattern in branches) if isinstance(branches, tuple) else (),
        pull_requests=layers.value("review.pull_requests") is True,
        fork_label=layers.text("review.fork_label"),
        hostname=layers.text("review.hostname"),
        expire=float(str(layers.value("review.expire"))),
        sleep=float(str(layers.value("review.sleep"))),
        limit=int(str(layers.value("review.limit"))),
        seed=layers.text("review.seed"),
        access=ReviewAccess(layers.text("review.access")),
        networks=tuple(str(each) for each in networks) if isinstance(networks, tuple) else (),
    )
