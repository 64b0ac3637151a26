"""A review app's time runs out while its pull request is open: that is told beforehand, and it comes back when it is asked for.

The clock is the real one; how long is left is what the tests set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from forge.origin import Origin
from forge.server import FakeForge
from server.forged import Add
from server.serving import Served
from server.test_pulls import WANTED, closed, gone, offered, settled
from server.test_reviews import up

from mooring.model.environment import EnvironmentId
from mooring.model.forge import ForgeKind
from mooring.model.names import AppName
from mooring.model.review import ReviewSettings, review_environment

NEAR = 3600.0  # seconds: less than a tenth of the 72 hours that it has


@pytest.fixture
def offered_app(served: Served, forge: FakeForge, origin: Origin, add: Add) -> Iterator[str]:
    """Its branch `idea` serves, for pull request 2; gives the commit."""
    origin.commit("review apps for pull requests", mooring_toml=WANTED)
    add("ends")
    origin.git("switch", "-qc", "idea")
    commit = origin.commit("an idea")
    offered(forge, ForgeKind.GITHUB, branch="idea", head=commit)
    settled(served, "ends")
    forge.wait(lambda: "http" in "".join(forge.ours(2)))
    yield commit
    closed(forge)
    settled(served, "ends")


def left(served: Served, environment: EnvironmentId, seconds: float) -> None:
    """As if its time had come that far. In the controller's own turn: it changes the same record."""

    async def change() -> None:
        record = served.world.memory.environment(environment)
        assert record is not None and record.review is not None
        ends = served.services.platform.clock.wall() + seconds
        mark = msgspec.structs.replace(record.review, expires_at=ends)
        served.world.memory.save_environment(msgspec.structs.replace(record, review=mark))

    asyncio.run_coroutine_threadsafe(change(), served.loop).result(30)


def test_an_end_is_told_beforehand_and_what_is_gone_comes_back_by_hand_and_with_its_pull_request(
    served: Served, forge: FakeForge, offered_app: str, tmp_path: Path
) -> None:
    assert ReviewSettings().expire > 10 * NEAR
    app, environment = AppName("ends"), review_environment(AppName("ends"), "idea")
    assert not served.client.reviews(app)[0].is_warned and "It goes on" not in forge.ours(2)[0]
    left(served, environment, NEAR)
    forge.wait(lambda: served.client.reviews(app)[0].is_warned)
    assert any("`mooring review extend idea` keeps it" in str(event) for event in served.client.events(environment=environment))
    settled(served, "ends")
    assert "UTC: `mooring review extend idea` keeps it" in forge.ours(2)[0] and "http" in forge.ours(2)[0]

    served.client.extend_review(app, "idea")
    settled(served, "ends")
    assert "It goes on" not in forge.ours(2)[0] and not served.client.reviews(app)[0].is_warned

    left(served, environment, -1.0)
    gone(served, forge, environment)
    settled(served, "ends")
    assert all(words in forge.ours(2)[0] for words in ("is gone", "gone: instance, route, ", "`mooring review up idea` brings it back"))
    settled(served, "ends")
    assert served.client.reviews(app) == (), "a look alone does not bring it back"

    assert up(served, app, "idea", tmp_path, commit=offered_app) == environment
    settled(served, "ends")
    assert forge.ours(2)[0].startswith("The review app of this pull request: http")

    closed(forge)
    settled(served, "ends")
    gone(served, forge, environment)
    forge.wait(lambda: "is gone" in forge.ours(2)[0] and all(each.is_closed for each in served.world.memory.forge_pulls(app)))
    closed(forge, how="open")
    settled(served, "ends")
    forge.wait(lambda: "http" in forge.ours(2)[-1])
    assert [each.head for each in served.client.reviews(app)] == [offered_app]
