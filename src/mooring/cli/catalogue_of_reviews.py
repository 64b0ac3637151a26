"""The catalogue's commands about review apps. Must not: hold options, or run anything."""

from __future__ import annotations

from mooring.cli.entries import Section, entry

SECTIONS = (
    Section(
        "Review apps",
        (
            entry(
                "review up",
                "review",
                "Serve a branch in an environment of its own, and say its URL.",
                ("mooring review up", "the branch that is checked out"),
                ("mooring review up feature/checkout", "another one of this repository, at its newest commit"),
                about="Once more, it is brought to the branch's newest commit. What was set for the environment `review` is what a new one "
                "begins with: `mooring config set -e review`.",
            ),
            entry("review ls", "review", "The app's review apps.", ("mooring review ls", "branches, URLs, when each goes")),
            entry(
                "review down",
                "review",
                "Take a review app down, and show that nothing of it is left.",
                ("mooring review down feature/checkout", "instances, routes, settings, artifacts, logs: each gone, or named"),
            ),
            entry(
                "review logs",
                "review",
                "What a review app prints.",
                ("mooring review logs feature/checkout -f", "follow it"),
            ),
            entry(
                "review access",
                "review",
                "The user and password that a review app asks for.",
                ("mooring review access feature/checkout", "search engines and strangers do not get in"),
            ),
            entry(
                "review extend",
                "review",
                "Let a review app's time begin anew.",
                ("mooring review extend feature/checkout", "for as long as `review.expire` says"),
            ),
            entry(
                "review reseed",
                "review",
                "Lay in a review app's data once more.",
                ("mooring review reseed feature/checkout", "runs `review.seed` before the same code serves again"),
            ),
        ),
    ),
)
