"""What mooring.toml says of branches: what each deploys, which have a review app, after which checks. Must not: know a forge, or git."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mooring.manifest.layers import Layers
from mooring.manifest.problems import Problems
from mooring.manifest.sources import toml_layers
from mooring.model.environment import PRODUCTION
from mooring.model.names import EnvironmentName, environment_name

USUAL = ("main", "master")


def branches_of(files: Mapping[str, bytes]) -> dict[EnvironmentName, tuple[str, ...]]:
    """The branches of each environment that has one, production last: what is deployed together goes there after the others.

    A branch at the top is production's; without any, production has the usual ones. Raises ManifestInvalid with every problem.
    """
    problems = Problems()
    toml = toml_layers(files, problems=problems)
    problems.raise_any()
    found = {environment_name(name): (str(layer["branch"].value),) for name, layer in toml.environments.items() if "branch" in layer}
    top = toml.top.get("branch")
    production = found.pop(PRODUCTION, USUAL if top is None else (str(top.value),))
    return {**{name: found[name] for name in sorted(found)}, PRODUCTION: production}


def checks_of(files: Mapping[str, bytes], environment: EnvironmentName) -> tuple[str, ...]:
    """Names of the forge's checks that a commit has to pass before it is deployed there. Raises ManifestInvalid."""
    problems = Problems()
    toml = toml_layers(files, problems=problems)
    problems.raise_any()
    found = Layers([toml.top, toml.environments.get(environment, {})]).value("requires_checks")
    return tuple(str(name) for name in found) if isinstance(found, tuple) else ()


class PullRules(msgspec.Struct, frozen=True, kw_only=True):
    """What an app says of pull requests: whether each has a review app, and the label that lets one of another repository."""

    is_wanted: bool
    fork_label: str


def pull_rules_of(files: Mapping[str, bytes]) -> PullRules:
    """Raises ManifestInvalid."""
    problems = Problems()
    toml = toml_layers(files, problems=problems)
    problems.raise_any()
    layers = Layers([toml.top])
    return PullRules(is_wanted=layers.value("review.pull_requests") is True, fork_label=layers.text("review.fork_label"))


def review_branches_of(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The patterns of branches that have a review app each. Raises ManifestInvalid."""
    problems = Problems()
    toml = toml_layers(files, problems=problems)
    problems.raise_any()
    found = Layers([toml.top]).value("review.branches")
    return tuple(str(pattern) for pattern in found) if isinstance(found, tuple) else ()
