"""Assets: in the bucket before anything of their release runs, there while pages may need them, then gone; nobody else's is touched."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from engine.scenarios import asked
from engine.stories import QUICK, SHOP, deployed, running, story, until, web

from mooring.engine.orders import ConfigOrder, DestroyOrder, Order, RollbackOrder, ScaleOrder
from mooring.errors import InvalidInput
from mooring.model.assets import KEY_ID, KEY_SECRET, AssetCount, AssetSettings, index_key, read_index
from mooring.model.deployment import Outcome
from mooring.model.names import ProcessName
from mooring.model.records import EnvironmentRecord
from mooring.model.secret import Secret
from mooring.model.steps import PushAssets
from mooring.testing.bucket import Stored
from mooring.testing.laws import Point
from mooring.testing.platform import FakePlatform, play
from mooring.testing.workshop import Tree, process

SETTINGS = AssetSettings(path="public", bucket="shop-assets", endpoint="https://s3.test", hashed_names=True)
WHILE = 300.0  # seconds that files are kept
FIRST = {"app-1.js": b"one", "css/site-1.css": b"body{}"}
SECOND = {"app-2.js": b"two!", "css/site-1.css": b"body{}"}
OURS = "shop/production/"
INDEX = index_key(SHOP)
OTHERS = Stored(b"payroll", "text/plain", "")
AFTER_EVENT = "after memory.append_event"


def a_tree(files: dict[str, bytes], **changes: object) -> Tree:
    return Tree(processes=(process("web", count=2),), policy=QUICK, assets=msgspec.structs.replace(SETTINGS, **changes), files=files)


def a_bucket(platform: FakePlatform) -> dict[str, Stored]:
    """With the keys to it, and something of somebody else's in it."""
    platform.memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=1.0))
    platform.memory.put_config(SHOP, changes={KEY_ID: Secret("key"), KEY_SECRET: Secret("sesame")}, unset=frozenset(), by="ann", at=1.0)
    shelf = platform.buckets.add(SETTINGS)
    shelf["blog/production/app-1.js"] = OTHERS
    return shelf


def ours(shelf: dict[str, Stored]) -> dict[str, bytes]:
    return {key.removeprefix(OURS): each.content for key, each in shelf.items() if key.startswith(OURS)}


def given(platform: FakePlatform, release: int = 1) -> dict[str, str]:
    life = platform.runtime.life(web(release=release))
    assert life is not None
    return dict(life.variables)


def counted(platform: FakePlatform) -> AssetCount | None:
    receipt = platform.memory.deployments(SHOP, limit=1)[0].receipt
    return receipt.assets if receipt else None


@story
async def test_they_are_there_before_anything_of_the_release_starts_and_the_receipt_counts_them(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    there: list[dict[str, bytes]] = []
    platform.on_point = lambda point: there.append(ours(shelf)) if point.name == "runtime.start" else None
    deployment = await deployed(platform, a_tree(FIRST))
    assert there and all(each == FIRST for each in there)
    assert counted(platform) == AssetCount(pushed=2, pushed_bytes=9)
    assert (shelf[OURS + "app-1.js"].media_type, shelf[OURS + "css/site-1.css"].media_type) == ("text/javascript", "text/css")
    assert shelf[OURS + "app-1.js"].cache == "public, max-age=31536000, immutable"
    (step,) = [entry.step for entry in platform.memory.journal(deployment.id) if isinstance(entry.step, PushAssets)]
    assert (str(step), step.reason) == ("push the assets of v1 to shop-assets", "pages of v1 load them as soon as it serves")


@story
async def test_only_what_is_not_there_is_pushed_and_pages_of_the_old_release_find_theirs(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    await deployed(platform, a_tree(FIRST))
    pushed: list[str] = []
    platform.on_point = lambda point: pushed.append(str(point.subject)) if point.name == "bucket.push" else None
    await deployed(platform, a_tree(SECOND))
    assert pushed == [OURS + "app-2.js"] * 2, "before and after"
    assert counted(platform) == AssetCount(pushed=1, pushed_bytes=4, skipped=1, skipped_bytes=6)
    assert ours(shelf) == FIRST | SECOND


@story
async def test_the_plan_shows_the_push_and_pushes_nothing(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    preview = await platform.controller.preview(SHOP, platform.order(a_tree(FIRST)))
    assert str(preview.steps[0]) == "push the assets of v1 to shop-assets"
    assert ours(shelf) == {}


@story
async def test_processes_find_where_their_files_are_and_not_the_keys_to_them(platform: FakePlatform) -> None:
    a_bucket(platform)
    await deployed(platform, a_tree(FIRST))
    variables = given(platform)
    assert variables["ASSETS_URL"] == "https://s3.test/shop-assets/shop/production"
    assert not {KEY_ID, KEY_SECRET} & variables.keys()


@story
async def test_trees_without_hashed_names_have_a_folder_each_so_that_none_writes_over_anothers(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    url = "https://cdn.test"
    for number, content in enumerate((b"one", b"two", b"one"), start=1):
        await deployed(platform, a_tree({"site.css": content}, hashed_names=False, url=url))
        folder = given(platform, number)["ASSETS_URL"].removeprefix(f"{url}/{OURS}")
        assert ours(shelf)[f"{folder}/site.css"] == content
    assert sorted(ours(shelf).values()) == [b"one", b"two"]
    assert counted(platform) == AssetCount(skipped=1, skipped_bytes=3), "the third is the first one's"


@story
async def test_a_push_that_fails_fails_the_deployment_and_what_serves_serves_on(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    await deployed(platform, a_tree(FIRST))
    platform.buckets.is_down = True
    deployment = await platform.end(platform.deploy(SHOP, a_tree(SECOND)))
    assert deployment.outcome is Outcome.FAILED
    assert "push the assets of v2 to shop-assets: " in deployment.error and "the bucket does not do its work" in deployment.error
    assert (running(platform), ours(shelf)) == ([str(web(1)), str(web(2))], FIRST)
    platform.buckets.is_down = False
    await deployed(platform, a_tree(SECOND))


@story
async def test_a_bucket_that_lets_nobody_in_fails_it_at_once(platform: FakePlatform) -> None:
    a_bucket(platform)
    platform.buckets.admitted = (Secret("another"), Secret("key"))
    deployment = await platform.end(platform.deploy(SHOP, a_tree(FIRST)))
    assert (deployment.outcome, running(platform)) == (Outcome.FAILED, [])
    assert "does not let Mooring in" in deployment.error and "sesame" not in deployment.error


@story
async def test_without_the_keys_it_is_refused_before_anything_is_built(platform: FakePlatform) -> None:
    for act in (platform.controller.preview, platform.controller.examine):
        with pytest.raises(InvalidInput, match="pushing assets needs ASSETS_ACCESS_KEY_ID and ASSETS_SECRET_ACCESS_KEY") as refused:
            await act(SHOP, platform.order(a_tree(FIRST)))
        assert refused.value.hint.startswith("`mooring secret set ASSETS_ACCESS_KEY_ID -e production` and ")


@story
async def test_what_mooring_has_not_put_there_is_never_written_over(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    shelf[OURS + "app-1.js"] = OTHERS
    deployment = await platform.end(platform.deploy(SHOP, a_tree(FIRST)))
    assert deployment.outcome is Outcome.FAILED
    assert deployment.error.startswith("shop/production/app-1.js: something lies in the bucket where an asset is to go")
    assert shelf[OURS + "app-1.js"] is OTHERS and INDEX not in shelf


@story
async def test_a_name_that_gets_another_content_is_refused(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    await deployed(platform, a_tree(FIRST))
    deployment = await platform.end(platform.deploy(SHOP, a_tree({"app-1.js": b"another"})))
    assert (deployment.outcome, ours(shelf)) == (Outcome.FAILED, FIRST)
    assert "another content than was pushed under its name" in deployment.error and "hashed_names = false" in deployment.hint


@story
async def test_what_no_release_needs_goes_after_a_while_and_nothing_that_is_not_on_the_list(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    await deployed(platform, a_tree(FIRST, keep=WHILE))
    await deployed(platform, a_tree(SECOND, keep=WHILE))
    shelf[OURS + "by-hand.txt"] = OTHERS
    await platform.rest(WHILE - 60)
    assert ours(shelf).keys() == {*FIRST, *SECOND, "by-hand.txt"}
    await platform.rest(700)
    assert ours(shelf).keys() == {*SECOND, "by-hand.txt"}
    assert shelf["blog/production/app-1.js"] is OTHERS
    assert read_index(shelf[INDEX].content, where=INDEX).objects.keys() == {OURS + name for name in SECOND}


@story
async def test_a_rollback_brings_back_files_that_had_gone(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    await deployed(platform, a_tree(FIRST, keep=WHILE))
    await deployed(platform, a_tree(SECOND, keep=WHILE))
    await platform.rest(WHILE + 700)
    assert "app-1.js" not in ours(shelf)
    there: list[bool] = []
    platform.on_point = lambda point: there.append("app-1.js" in ours(shelf)) if point.name == "runtime.start" else None
    assert (await platform.run(SHOP, RollbackOrder())).outcome is Outcome.SUCCEEDED
    platform.on_point = None
    assert there and all(there)
    await platform.rest(WHILE + 700)
    assert ours(shelf) == FIRST


@story
async def test_scaling_pushes_nothing(platform: FakePlatform) -> None:
    a_bucket(platform)
    await deployed(platform, a_tree(FIRST))
    platform.buckets.is_down = True
    assert (await platform.run(SHOP, ScaleOrder(counts={ProcessName("web"): 3}))).outcome is Outcome.SUCCEEDED
    assert counted(platform) is None


@story
async def test_another_platform_with_the_same_bucket_is_refused(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    await deployed(platform, a_tree(FIRST))
    platform.buckets.controller = "another"
    await platform.stop()
    await platform.start()
    deployment = await platform.end(platform.deploy(SHOP, a_tree(SECOND)))
    assert deployment.outcome is Outcome.FAILED and "are another platform's" in deployment.error
    assert ours(shelf) == FIRST


@story
async def test_a_list_that_cannot_be_read_stops_it_and_nothing_is_touched(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    await deployed(platform, a_tree(FIRST))
    shelf[INDEX] = Stored(b"{}", "", "")
    before = dict(shelf)
    for order in (platform.order(a_tree(SECOND)), DestroyOrder()):
        deployment = await platform.run(SHOP, order)
        assert deployment.outcome in (Outcome.FAILED, Outcome.NEEDS_PERSON)
        assert "Mooring's list of the assets it pushed cannot be read" in deployment.error
        assert shelf == before


def of_a_newer_controller(stored: Stored) -> Stored:
    """The same list, as one with a higher number has written it."""
    index = read_index(stored.content, where=INDEX)
    return Stored(msgspec.json.encode(msgspec.structs.replace(index, fence=index.fence + 10**9)), "", "")


@story
async def test_a_newer_controllers_list_is_not_changed_by_an_older_one(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    await deployed(platform, a_tree(FIRST))
    newer = of_a_newer_controller(shelf[INDEX])
    shelf[INDEX] = newer
    platform.deploy(SHOP, a_tree(SECOND))
    await platform.rest(20)
    assert shelf[INDEX] is newer and ours(shelf) == FIRST


@story
async def test_a_list_that_a_newer_controller_writes_after_the_older_has_read_it_stays(platform: FakePlatform) -> None:
    """Two with the same state, in the same moment."""
    shelf = a_bucket(platform)
    await deployed(platform, a_tree(FIRST))
    newer = of_a_newer_controller(shelf[INDEX])

    def write_first(moment: str, name: str, key: str) -> None:
        if (moment, name, key) == ("before", "write", INDEX):
            shelf[INDEX] = newer

    platform.buckets.passed = write_first
    platform.deploy(SHOP, a_tree(SECOND))
    await platform.rest(20)
    assert shelf[INDEX] is newer and ours(shelf) == FIRST


@story
async def test_a_destroyed_environment_leaves_none_and_nothing_of_others_goes(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    await deployed(platform, a_tree(FIRST))
    await deployed(platform, a_tree(SECOND))
    shelf[OURS + "by-hand.txt"] = OTHERS
    await platform.run(SHOP, DestroyOrder())
    assert shelf == {"blog/production/app-1.js": OTHERS, OURS + "by-hand.txt": OTHERS}


@story
async def test_assets_that_cannot_be_removed_need_a_person_and_go_the_next_time(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    await deployed(platform, a_tree(FIRST))
    platform.buckets.is_down = True
    deployment = await platform.run(SHOP, DestroyOrder())
    assert deployment.outcome is Outcome.NEEDS_PERSON and "its assets are not all removed" in deployment.error
    platform.buckets.is_down = False
    await platform.run(SHOP, DestroyOrder())
    assert ours(shelf) == {} and platform.memory.environment(SHOP) is None


@story
async def test_a_change_of_the_keys_that_failed_does_not_keep_the_files(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    await deployed(platform, a_tree(FIRST))
    for wrong in ("mistyped", "mistyped again"):
        version = platform.memory.put_config(SHOP, changes={KEY_SECRET: Secret(wrong)}, unset=frozenset(), by="ann", at=2.0)
        assert (await platform.run(SHOP, ConfigOrder(config_version=version, description="secret set"))).outcome is Outcome.FAILED
    await platform.run(SHOP, DestroyOrder())
    assert ours(shelf) == {} and platform.memory.environment(SHOP) is None


@story
async def test_a_bucket_that_was_used_before_is_looked_after_too(platform: FakePlatform) -> None:
    shelf = a_bucket(platform)
    other = platform.buckets.add(msgspec.structs.replace(SETTINGS, bucket="others"))
    await deployed(platform, a_tree(FIRST, keep=WHILE))
    await deployed(platform, a_tree(FIRST, keep=WHILE, bucket="others"))
    await until(platform, lambda: ours(shelf) == {}, within=WHILE + 700)
    assert ours(other) == FIRST


def test_a_controller_that_dies_at_any_point_leaves_nothing_that_is_not_on_the_list_and_the_next_goes_on() -> None:
    count = 1
    while _dies_at(count):
        count += 1
    assert count > 20


def _dies_at(count: int) -> bool:
    """At the point of that number of those that concern the bucket or the journal; whether the story was long enough for it."""
    passed: list[Point] = []

    async def dying(platform: FakePlatform) -> None:
        shelf = a_bucket(platform)

        def look(point: Point) -> None:
            if INDEX in shelf:
                listed = read_index(shelf[INDEX].content, where=INDEX).objects
                assert {OURS + name for name in ours(shelf)} <= listed.keys(), "what lies there is on the list"
            else:
                assert ours(shelf) == {}
            if not point.name.startswith("bucket.") and str(point) != "after memory.write_intent":
                return
            passed.append(point)
            if len(passed) == count:
                platform.crash()

        platform.on_point = look
        for order, files in ((platform.order(a_tree(FIRST)), FIRST), (platform.order(a_tree(SECOND)), SECOND)):
            await _ended(platform, order)
            served = {name: shelf[OURS + name].content for name in files}
            assert served == files
            listed = read_index(shelf[INDEX].content, where=INDEX).objects
            assert all(listed[OURS + name].digest == hashlib.sha256(files[name]).hexdigest() for name in files)
        await _ended(platform, DestroyOrder())
        platform.on_point = None
        assert shelf == {"blog/production/app-1.js": OTHERS}

    play(dying)
    return len(passed) >= count


async def _ended(platform: FakePlatform, order: Order) -> None:
    deployment = await platform.end(await asked(platform, order))
    assert deployment.outcome is Outcome.SUCCEEDED, deployment.error
