"""The commands, a file per topic: ask the client, show the answer. Must not: lay out lines themselves (render/ does)."""
