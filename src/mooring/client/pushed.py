"""What a commit in a bare repository asks for: which environments its branch deploys, after which checks. Must not: deploy it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from mooring.client.git import Git
from mooring.errors import InvalidInput
from mooring.manifest import APP_JSON, app_name_of, branches_of, checks_of, pull_rules_of, review_branches_of, root_of
from mooring.model.environment import EnvironmentId
from mooring.model.names import AppName, EnvironmentName
from mooring.model.review import review_environment

MANIFEST = "mooring.toml"
LARGEST_MANIFEST = 1_000_000  # bytes


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """The environments in the order in which they are deployed; `checks` by name. `is_review`: the branch has one to itself instead.

    `is_for_pull`: it has that only while a pull request offers it.
    """

    environments: tuple[EnvironmentName, ...]
    checks: tuple[str, ...]
    is_review: bool = False
    is_for_pull: bool = False


def pipeline(repository: Path, commit: str, *, app: AppName, branch: str, is_pulled: bool = False) -> Pipeline:
    """By the commit's own mooring.toml. `is_pulled`: a pull request offers the branch.

    Raises InvalidInput for another app's source, NoEnvironment, ManifestInvalid."""
    files = manifest_at(repository, commit)
    named = app_name_of(files)
    if named not in (None, app):
        hint = f"push it to that app (git remote set-url mooring ssh://USER@HOST/{named}), or change the name"
        raise InvalidInput(f"{MANIFEST} says that the app is {named}, and this was pushed to {app}", hint=hint)
    known = branches_of(files)
    found = tuple(environment for environment, branches in known.items() if branch in branches)
    has_one = not found and any(fnmatchcase(branch, pattern) for pattern in review_branches_of(files))
    is_for_pull = not found and not has_one and is_pulled and pull_rules_of(files).is_wanted
    if has_one or is_for_pull:
        checks = checks_of(files, review_environment(app, branch).environment)
        return Pipeline(environments=(), checks=checks, is_review=True, is_for_pull=is_for_pull)
    if not found:
        rules = "; ".join(f"{environment}: {' or '.join(branches)}" for environment, branches in known.items())
        own = f'[environments.staging] and below it branch = "{branch}", or [review] and below it branches = ["{branch}"]'
        hint = f"say in {MANIFEST} which does, like {own} (now {rules})"
        raise NoEnvironment(f"the branch {branch} deploys no environment", hint=hint)
    asked = dict.fromkeys(check for environment in found for check in checks_of(files, environment))
    return Pipeline(environments=found, checks=tuple(asked))


def manifest_at(repository: Path, commit: str) -> dict[str, bytes]:
    """The commit's mooring.toml by its name, where it has one. Raises SourceInvalid."""
    content = Git(repository, git_directory=repository).content(commit, MANIFEST, at_most=LARGEST_MANIFEST)
    return {} if content is None else {MANIFEST: content}


def rules_at(repository: Path, commit: str, *, environment: EnvironmentId, branch: str) -> dict[str, bytes | None]:
    """What says how a stranger's branch is run: the commit's own mooring.toml and app.json; None where it has no such file.

    `environment` and `branch` are the stranger's: they say which folder is the app's. Raises SourceInvalid.
    """
    files = manifest_at(repository, commit)
    root = root_of(files, environment=environment, branch=branch)
    git = Git(repository, git_directory=repository)
    places = [APP_JSON, *([f"{root}/{APP_JSON}"] if root else [])]
    return {**files, **{place: git.content(commit, place, at_most=LARGEST_MANIFEST) for place in places}}


class NoEnvironment(InvalidInput):
    """Nothing is wrong with the commit: nobody wants it deployed."""
