"""A secret's value is not shown where it stands besides: in a plain variable, in a commit's message. Must not: change what is kept."""

from __future__ import annotations

import msgspec

from mooring.model.environment import EnvironmentId
from mooring.model.promotion import Promotion
from mooring.model.release import Release, Source
from mooring.usecases.platform import Platform


def shown_release(platform: Platform, release: Release) -> Release:
    """As it is, but for the values of secrets in its variables, its commit's message and its notes."""
    environment = release.environment
    redact = platform.secrets.redactor(environment).redact
    return msgspec.structs.replace(
        release,
        variables={name: redact(value) for name, value in release.variables.items()},
        source=shown_source(platform, environment, release.source),
        promotion=shown_promotion(platform, environment, release.promotion) if release.promotion else None,
    )


def shown_promotion(platform: Platform, environment: EnvironmentId, promotion: Promotion) -> Promotion:
    """As it is, but for the values of secrets in its notes."""
    if promotion.notes is None:
        return promotion
    redact = platform.secrets.redactor(environment).redact
    commits = tuple(msgspec.structs.replace(each, subject=redact(each.subject)) for each in promotion.notes.commits)
    return msgspec.structs.replace(promotion, notes=msgspec.structs.replace(promotion.notes, commits=commits))


def shown_source(platform: Platform, environment: EnvironmentId, source: Source) -> Source:
    """As it is, but for the values of secrets in its message."""
    return msgspec.structs.replace(source, message=platform.secrets.redactor(environment).redact(source.message))
