"""python -m mooring.testing.simulator --seed N: one story, with all that happened in it. --rollouts N: a campaign.

Exits 1 when a law was broken.
"""

from __future__ import annotations

import argparse
import sys

import msgspec

from mooring.testing.simulator.campaign import play_seeds
from mooring.testing.simulator.chance import story_of
from mooring.testing.simulator.stage import Stage
from mooring.testing.simulator.story import Story


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mooring.testing.simulator", description="The engine among faults, in virtual time.")
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--seed", type=int, help="tell the story of this seed")
    chosen.add_argument("--story", type=lambda text: msgspec.json.decode(text, type=Story), help="tell this story (JSON)")
    chosen.add_argument("--rollouts", type=int, help="play stories until so many rollouts have been carried out")
    parser.add_argument("--first", type=int, default=0, help="the first seed of a campaign")
    parser.add_argument("--jobs", type=int, default=0, help="on so many cores; default all")
    options = parser.parse_args()
    if options.rollouts is not None:
        return _campaign(options.first, rollouts=options.rollouts, jobs=options.jobs)
    return _tell(options.story or story_of(options.seed))


def _tell(story: Story) -> int:
    print(story)
    ended = Stage(story, on_event=print).play()
    for violation in ended.violations:
        print(violation)
    print(f"{ended.rollouts} rollouts, {ended.requests} requests, {ended.failed} failed, {len(ended.violations)} violations")
    return 1 if ended.violations else 0


def _campaign(first: int, *, rollouts: int, jobs: int) -> int:
    summary = play_seeds(first, rollouts=rollouts, jobs=jobs)
    for failure in summary.failures:
        print(failure, end="\n\n")
    print(summary)
    return 1 if summary.broken else 0


if __name__ == "__main__":
    sys.exit(main())
