"""Which driver is the forge of a link. Must not: keep one."""

from __future__ import annotations

from typing import assert_never

from mooring.drivers.forge.contract import Forge, Remote
from mooring.drivers.forge.gitea import Gitea
from mooring.drivers.forge.github import GitHub
from mooring.drivers.forge.gitlab import GitLab
from mooring.drivers.forge.plain import PlainGit
from mooring.drivers.forge.remote import GitRemote
from mooring.model.forge import ForgeKind, ForgeLink, ForgeSecrets


def forge_of(link: ForgeLink, secrets: ForgeSecrets) -> Forge:
    match link.kind:
        case ForgeKind.GITHUB:
            return GitHub(link, secrets)
        case ForgeKind.GITLAB:
            return GitLab(link, secrets)
        case ForgeKind.GITEA:
            return Gitea(link, secrets)
        case ForgeKind.GIT:
            return PlainGit()
        case _:
            assert_never(link.kind)


def remote_of(link: ForgeLink, secrets: ForgeSecrets) -> Remote:
    """Raises InvalidInput."""
    return GitRemote(link, secrets.token)
