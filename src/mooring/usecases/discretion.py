"""A secret's value is not shown where it stands besides: in a plain variable, in a commit's message. Must not: change what is kept."""

from __future__ import annotations

import msgspec

from mooring.model.environment import EnvironmentId
from mooring.model.release import Release, Source
from mooring.usecases.platform import Platform


def shown_release(platform: Platform, release: Release) -> Release:
    """As it is, but for the values of secrets in its variables and its commit's message."""
    redact = platform.secrets.redactor(release.environment).redact
    variables = {name: redact(value) for name, value in release.variables.items()}
    return msgspec.structs.replace(release, variables=variables, source=shown_source(platform, release.environment, release.source))


def shown_source(platform: Platform, environment: EnvironmentId, source: Source) -> Source:
    """As it is, but for the values of secrets in its message."""
    return msgspec.structs.replace(source, message=platform.secrets.redactor(environment).redact(source.message))
