"""The catalogue's commands about accessories. Must not: hold options, or run anything."""

from __future__ import annotations

from mooring.cli.entries import Section, entry

SECTIONS = (
    Section(
        "Accessories",
        (
            entry(
                "accessory ls",
                "accessories",
                "Accessories: how they are, and what is to be applied.",
                ("mooring accessory ls", "where each listens, too; `ls` may be left out"),
            ),
            entry(
                "accessory start",
                "accessories",
                "Start one that is stopped, or declared and missing.",
                ("mooring accessory start redis", "on the volume and the port that it had"),
            ),
            entry(
                "accessory stop",
                "accessories",
                "Stop one; it stays so, over deploys too, until it is started.",
                ("mooring accessory stop redis", "its volume stays"),
            ),
            entry(
                "accessory restart",
                "accessories",
                "Stop one and start it again.",
                ("mooring accessory restart redis", "there are never two on one volume, so there is a gap"),
            ),
            entry(
                "accessory apply",
                "accessories",
                "Run one as it is declared now; no deploy does that.",
                ("mooring accessory apply redis --plan", "what would change and why"),
                ("mooring accessory apply redis", "it stops, and starts as declared; what ran before comes back if it does not"),
            ),
            entry(
                "accessory logs",
                "accessories",
                "What one prints.",
                ("mooring accessory logs redis -f", "and goes on to"),
            ),
            entry(
                "accessory rm",
                "accessories",
                "Remove one; its volume is kept.",
                ("mooring accessory rm redis", "a deploy that declares it makes it again, on the same volume"),
                ("mooring accessory rm redis --volume", "with all that it has kept"),
            ),
        ),
    ),
)
