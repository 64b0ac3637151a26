"""From the layers to the policy of the rollout, the settings of edge and build. Must not: read a file."""

from __future__ import annotations

from typing import Any

from mooring.manifest import wording
from mooring.manifest.layers import Layers
from mooring.manifest.problems import Problems
from mooring.model.build import BuildLimits, BuildSettings
from mooring.model.edge import EdgeSettings, HttpsSettings
from mooring.model.policy import Policy


def policy_of(layers: Layers, *, problems: Problems) -> Policy:
    """All of `[deploy]`, with what contradicts itself reported."""
    values: dict[str, Any] = {name: layers.value(f"deploy.{name}") for name in Policy.__struct_fields__}
    policy = Policy(**values)
    if policy.max_surge.amount == 0 and policy.max_unavailable.amount == 0:
        file, line = layers.place("deploy.max_surge", "deploy.max_unavailable")
        message = "deploy.max_surge and deploy.max_unavailable are both 0, so no instance could ever be replaced"
        problems.add(file, line, key="deploy.max_surge", message=message, hint='set max_surge = 1 (or "100%"), or max_unavailable = 1')
    _report_order(policy, "min_healthy_time", "healthy_deadline", layers=layers, problems=problems)
    _report_order(policy, "healthy_deadline", "progress_deadline", layers=layers, problems=problems)
    return policy


def _report_order(policy: Policy, shorter: str, longer: str, *, layers: Layers, problems: Problems) -> None:
    less, more = getattr(policy, shorter), getattr(policy, longer)
    if less <= more:
        return
    file, line = layers.place(f"deploy.{shorter}", f"deploy.{longer}")
    message = f"deploy.{shorter} ({wording.duration(less)}) is longer than deploy.{longer} ({wording.duration(more)})"
    hint = f'set {longer} = "{wording.duration(less)}" or more, or make {shorter} shorter'
    problems.add(file, line, key=f"deploy.{shorter}", message=message, hint=hint)


def edge_of(layers: Layers) -> EdgeSettings:
    """All of `[edge]` and `[https]`."""
    return EdgeSettings(
        hold=float(str(layers.value("edge.hold"))),
        request_timeout=float(str(layers.value("edge.request_timeout"))),
        stream_idle_timeout=float(str(layers.value("edge.stream_idle_timeout"))),
        max_request_bytes=int(str(layers.value("edge.max_request_size"))),
        https=HttpsSettings(
            acme=layers.value("https.acme") is True,
            redirect=layers.value("https.redirect") is True,
            hsts=float(str(layers.value("https.hsts"))),
            hsts_subdomains=layers.value("https.hsts_subdomains") is True,
        ),
    )


def build_of(layers: Layers) -> BuildSettings:
    """All of `[build]`."""
    return BuildSettings(
        builder=layers.text("build.builder"),
        root=layers.text("build.root"),
        command=layers.text("build.command"),
        static_directory=layers.text("build.static_directory"),
        image=layers.text("build.image"),
        dockerfile=layers.text("build.dockerfile"),
        target=layers.text("build.target"),
        secrets=_names(layers, "build.secrets"),
        platform=layers.text("build.platform"),
        python_version=layers.text("build.python_version"),
        variables={name: str(found.value) for name, found in layers.below("build.variables").items()},
        limits=BuildLimits(timeout=float(str(layers.value("build.timeout"))), memory=int(str(layers.value("build.memory")))),
    )


def _names(layers: Layers, key: str) -> tuple[str, ...]:
    found = layers.found(key)
    return tuple(str(name) for name in found.value) if found and isinstance(found.value, tuple) else ()
