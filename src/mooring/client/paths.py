"""Addresses of the API: what was named becomes one part of a path, whatever it holds. Must not: ask."""

from __future__ import annotations

from urllib.parse import quote

from mooring.model.environment import EnvironmentId


def path_of(environment: EnvironmentId, *rest: str) -> str:
    """Of something that an environment has."""
    return "/".join(["/v1/environments", segment(environment.app), segment(environment.environment), *map(segment, rest)])


def segment(text: str) -> str:
    return quote(text, safe="")
