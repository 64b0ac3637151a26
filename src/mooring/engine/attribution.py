"""Whose doing a failed request was: an instance's own, where it broke off a connection although nobody had told it to stop. Pure.

What was in flight on a process that ends by itself cannot be saved: the request had reached it, and sending it again might do a thing
twice. What an instance breaks off once Mooring has told it to stop is Mooring's doing, since then its requests should have ended.
Must not: count what the edge failed by itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from mooring.model.records import JournalEntry
from mooring.model.routing import Traffic
from mooring.model.steps import RestartInstance, StopInstance


def broken_by_app(traffic: Traffic, journal: Iterable[JournalEntry]) -> dict[str, int]:
    """How many requests each instance (by its slug) broke off of its own accord."""
    told = _told_to_stop(journal)
    return {slug: broken.count for slug, broken in traffic.broken.items() if broken.last_at <= told.get(slug, float("inf"))}


def sentence(broken: dict[str, int]) -> str:
    """For a person; empty when there were none."""
    if not broken:
        return ""
    places = ", ".join(f"{count} by {slug}" for slug, count in sorted(broken.items()))
    return f"of the failed requests {sum(broken.values())} were broken off by the app itself, which nobody had told to stop: {places}"


def _told_to_stop(journal: Iterable[JournalEntry]) -> dict[str, float]:
    """When each instance was first told to, in wall seconds."""
    told: dict[str, float] = {}
    for entry in journal:
        if isinstance(entry.step, (StopInstance, RestartInstance)):
            slug = entry.step.instance.slug
            told[slug] = min(told.get(slug, entry.intent_at), entry.intent_at)
    return told
