"""What happens to a branch that is pushed: it is deployed, told line by line, and refused where that fails.

Must not: deploy a branch that no environment has, or another app than the one that was pushed to.
"""

from __future__ import annotations

from mooring.cli import exit_codes
from mooring.cli.follow import follow_to_the_end
from mooring.cli.session import Session
from mooring.cli.tearing_down import torn_down
from mooring.client.client import Client
from mooring.client.location import controller_socket, state_directory
from mooring.client.pushed import pipeline
from mooring.client.receiving import of_hook
from mooring.client.source import pack_pushed
from mooring.errors import InvalidInput
from mooring.model.environment import EnvironmentId
from mooring.model.names import AppName, EnvironmentName

_BRANCHES = "refs/heads/"


def deployed(session: Session, *, ref: str, commit: str) -> int:
    """`commit` empty: the branch is removed. Gives 0 when git may move the branch. The repository is the session's directory.

    Raises InvalidInput for what deploys nothing, ManifestInvalid, SourceInvalid, and what deploying raises.
    """
    key, app = of_hook(session.variables)
    branch = ref.removeprefix(_BRANCHES)
    if branch == ref:
        raise InvalidInput(f"{ref} is no branch, and only branches are deployed", hint="git push mooring main")
    session.reach_with(lambda: Client(controller_socket(state_directory(session.variables)), push_key=key))
    if not commit:
        return _removed(session, app, branch)
    wanted = pipeline(session.directory, commit, app=app, branch=branch)
    if wanted.is_review:
        return _deployed(session, None, app, commit=commit, branch=branch)
    for environment in wanted.environments:
        code = _deployed(session, environment, app, commit=commit, branch=branch)
        if code != exit_codes.SERVING:
            return code
    return exit_codes.SERVING


def _removed(session: Session, app: AppName, branch: str) -> int:
    """Its review app, where it has one, goes with it; an environment that has a name of its own stays."""
    if all(each.branch != branch for each in session.client.reviews(app)):
        session.remark(f"The branch {branch} is removed here. What it deployed goes on: `mooring destroy` ends it.")
        return exit_codes.SERVING
    return torn_down(session, app, branch)


def _deployed(session: Session, environment: EnvironmentName | None, app: AppName, *, commit: str, branch: str) -> int:
    """`environment` None: the one that the branch has to itself."""
    package = pack_pushed(session.directory, commit, branch=branch)
    try:
        for note in package.notes:
            session.remark(note)
        if environment is None:
            deployment = session.client.review_up(app, package.archive, package.source)
        else:
            deployment = session.client.deploy(EnvironmentId(app, environment), package.archive, package.source)
    finally:
        package.archive.unlink(missing_ok=True)
    return follow_to_the_end(session, deployment, source=package.source)
