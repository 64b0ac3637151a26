"""What a commit in a bare repository asks for: which environments its branch deploys, after which checks. Must not: deploy it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from mooring.client.git import Git
from mooring.errors import InvalidInput
from mooring.manifest import app_name_of, branches_of, checks_of, review_branches_of
from mooring.model.names import AppName, EnvironmentName
from mooring.model.review import review_environment

MANIFEST = "mooring.toml"
LARGEST_MANIFEST = 1_000_000  # bytes


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """The environments in the order in which they are deployed; `checks` by name. `is_review`: the branch has one to itself instead."""

    environments: tuple[EnvironmentName, ...]
    checks: tuple[str, ...]
    is_review: bool = False


def pipeline(repository: Path, commit: str, *, app: AppName, branch: str) -> Pipeline:
    """By the commit's own mooring.toml. Raises InvalidInput for a branch without environment and another app's source, ManifestInvalid."""
    content = Git(repository, git_directory=repository).content(commit, MANIFEST, at_most=LARGEST_MANIFEST)
    files = {} if content is None else {MANIFEST: content}
    named = app_name_of(files)
    if named not in (None, app):
        hint = f"push it to that app (git remote set-url mooring ssh://USER@HOST/{named}), or change the name"
        raise InvalidInput(f"{MANIFEST} says that the app is {named}, and this was pushed to {app}", hint=hint)
    known = branches_of(files)
    found = tuple(environment for environment, branches in known.items() if branch in branches)
    if not found and any(fnmatchcase(branch, pattern) for pattern in review_branches_of(files)):
        return Pipeline(environments=(), checks=checks_of(files, review_environment(app, branch).environment), is_review=True)
    if not found:
        rules = "; ".join(f"{environment}: {' or '.join(branches)}" for environment, branches in known.items())
        own = f'[environments.staging] and below it branch = "{branch}", or [review] and below it branches = ["{branch}"]'
        hint = f"say in {MANIFEST} which does, like {own} (now {rules})"
        raise NoEnvironment(f"the branch {branch} deploys no environment", hint=hint)
    checks = dict.fromkeys(check for environment in found for check in checks_of(files, environment))
    return Pipeline(environments=found, checks=tuple(checks))


class NoEnvironment(InvalidInput):
    """Nothing is wrong with the commit: nobody wants it deployed."""
