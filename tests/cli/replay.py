"""Looking at it: replays a recorded deployment in real time through the real renderer.

.venv/bin/python tests/cli/replay.py redeploy [SPEED]      e.g. in tmux at 80 and at 120 columns, with and without NO_COLOR
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from recordings import Recording, recording

from mooring.cli.follow import follow_to_the_end
from mooring.cli.session import Session
from mooring.model.deployment import Deployment
from mooring.model.events import Event


class Player:
    """Answers like the client does, at the recorded pace."""

    def __init__(self, told: Recording, speed: float) -> None:
        self.told, self.speed = told, speed

    def deployment_events(self, _: str) -> Iterator[Event]:
        before = self.told.requested.requested_at
        for event in self.told.events:
            time.sleep(min(event.at - before, 5.0) / self.speed)
            before = event.at
            yield event

    def deployment(self, _: str) -> Deployment:
        return self.told.ended


if __name__ == "__main__":
    told = recording(sys.argv[1])
    player = Player(told, float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
    session = Session(
        stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr, variables=os.environ, directory=Path.cwd(), connect=lambda: player
    )
    sys.exit(follow_to_the_end(session, told.requested))
