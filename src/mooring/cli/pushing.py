"""What happens to a branch that is pushed: it is deployed, told line by line, and refused where that fails.

Must not: deploy a branch that no environment has, or another app than the one that was pushed to.
"""

from __future__ import annotations

from pathlib import Path

from mooring.cli import exit_codes
from mooring.cli.follow import follow_to_the_end
from mooring.cli.session import Session
from mooring.client.client import Client
from mooring.client.location import controller_socket, state_directory
from mooring.client.pushed import pipeline
from mooring.client.receiving import of_hook
from mooring.client.source import pack_pushed
from mooring.errors import InvalidInput
from mooring.model.environment import EnvironmentId

_BRANCHES = "refs/heads/"


def deployed(session: Session, *, ref: str, commit: str) -> int:
    """`commit` empty: the branch is removed. Gives 0 when git may move the branch. The repository is the working directory.

    Raises InvalidInput for what deploys nothing, ManifestInvalid, SourceInvalid, and what deploying raises.
    """
    key, app = of_hook(session.variables)
    branch = ref.removeprefix(_BRANCHES)
    if branch == ref:
        raise InvalidInput(f"{ref} is no branch, and only branches are deployed", hint="git push mooring main")
    if not commit:
        session.remark(f"The branch {branch} is removed here. What it deployed goes on: `mooring destroy` ends it.")
        return exit_codes.SERVING
    session.reach_with(lambda: Client(controller_socket(state_directory(session.variables)), push_key=key))
    repository = session.directory
    for environment in pipeline(repository, commit, app=app, branch=branch).environments:
        code = _deployed(session, EnvironmentId(app, environment), repository, commit=commit, branch=branch)
        if code != exit_codes.SERVING:
            return code
    return exit_codes.SERVING


def _deployed(session: Session, environment: EnvironmentId, repository: Path, *, commit: str, branch: str) -> int:
    package = pack_pushed(repository, commit, branch=branch)
    try:
        for note in package.notes:
            session.remark(note)
        deployment = session.client.deploy(environment, package.archive, package.source)
    finally:
        package.archive.unlink(missing_ok=True)
    return follow_to_the_end(session, deployment, source=package.source)
