"""Data services: made before anything of the release runs, given to all of it, rotated without a failed request, kept or removed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from engine.scenarios import Hook, asked, dies_at_each_point
from engine.stories import QUICK, SHOP, WEB, deployed, only_release, running, story, told, web

from mooring.engine.orders import DestroyOrder, Order, RotateOrder, ScaleOrder
from mooring.errors import InvalidInput, LeaseHeld, NotFound, OutcomeUnknown, Refused, StaleFence
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.lease import Mark
from mooring.model.names import EnvironmentName, ProcessName, RegionName, ServerName, ServiceName
from mooring.model.placement import Region
from mooring.model.records import EnvironmentRecord
from mooring.model.review import ReviewMark, review_environment
from mooring.model.secret import Secret
from mooring.model.service import Owned, Piece, ServiceKind, ServiceWish, login_of
from mooring.model.steps import ProvideService, RemoveService, RestoreService
from mooring.testing.behaviour import Behaviour
from mooring.testing.platform import FakePlatform
from mooring.testing.service import FakeServer, Stored
from mooring.testing.workshop import Tree, process

DB = ServiceName("db")
WISH = ServiceWish(name=DB, kind=ServiceKind.POSTGRES, prefix="DATABASE")
TREE = Tree(processes=(process("web", count=2),), policy=QUICK, release_command="migrate", services=(WISH,))
PIECE = Piece("c0ffee", SHOP, DB)


def url_of(platform: FakePlatform, release: int = 1, *, slot: int = 1, generation: int = 0) -> Secret:
    """What an instance was given."""
    life = platform.runtime.life(web(slot, release=release, generation=generation))
    assert life is not None
    return Secret(life.variables["DATABASE_URL"])


@story
async def test_a_service_is_there_before_the_release_command_and_every_process_is_given_it(platform: FakePlatform) -> None:
    server = platform.add_server()
    there: list[bool] = []
    platform.on_point = lambda point: there.append(PIECE.identity in server.stored) if point.name == "runtime.run_task" else None
    deployment = await deployed(platform, TREE)
    assert there and all(there)
    server.enter(url_of(platform))["a"] = "1"
    assert server.enter(url_of(platform, slot=2)) == {"a": "1"}
    entries = [entry for entry in platform.memory.journal(deployment.id) if isinstance(entry.step, ProvideService)]
    assert [(entry.outcome, entry.step.reason) for entry in entries] == [("done", "shop/production is to have one and has none yet")]


@story
async def test_the_plan_shows_it_with_its_reason_and_makes_nothing(platform: FakePlatform) -> None:
    server = platform.add_server()
    preview = await platform.controller.preview(SHOP, platform.order(TREE))
    assert isinstance(preview.steps[0], ProvideService)
    assert (str(preview.steps[0]), preview.steps[0].reason) == (
        "make db (postgres on main)",
        "shop/production is to have one and has none yet",
    )
    assert server.stored == {}
    await deployed(platform, TREE)
    preview = await platform.controller.preview(SHOP, platform.order(TREE))
    assert not any(isinstance(step, ProvideService) for step in preview.steps)


@story
async def test_a_later_deployment_keeps_it_as_it_is(platform: FakePlatform) -> None:
    server = platform.add_server()
    await deployed(platform, TREE)
    server.enter(url_of(platform))["a"] = "1"
    await deployed(platform, TREE)
    assert url_of(platform, 2) and server.enter(url_of(platform, 2)) == {"a": "1"}
    assert len(server.stored) == 1


@story
async def test_what_is_set_by_command_goes_over_what_a_service_gives(platform: FakePlatform) -> None:
    platform.add_server()
    await deployed(platform, WEB)
    platform.memory.put_config(SHOP, changes={"DATABASE_URL": Secret("mine")}, by="ann", at=1.0)
    await platform.run(SHOP, DestroyOrder())
    tree = Tree(processes=WEB.processes, policy=QUICK, services=(WISH,), variables={"DATABASE_URL": "the file's"})
    await deployed(platform, tree)
    assert url_of(platform) == Secret("the file's")


@story
async def test_without_a_server_it_is_refused_before_anything_is_built(platform: FakePlatform) -> None:
    for act in (platform.controller.preview, platform.controller.examine):
        with pytest.raises(InvalidInput, match="db needs a server: there is no postgres server") as refused:
            await act(SHOP, platform.order(TREE))
        assert refused.value.hint == "`mooring service add-server NAME --type postgres` adds one"
    platform.add_server("a")
    platform.add_server("b")
    with pytest.raises(InvalidInput, match="there are several postgres servers") as refused:
        await platform.controller.preview(SHOP, platform.order(TREE))
    assert refused.value.hint == 'say which in mooring.toml: server = "NAME" of a, b'


@story
async def test_a_file_is_not_given_to_what_runs_on_another_machine(platform: FakePlatform) -> None:
    platform.add_server("disk", kind=ServiceKind.SQLITE)
    wish = msgspec.structs.replace(WISH, kind=ServiceKind.SQLITE)
    here = msgspec.structs.replace(TREE, services=(wish,))
    elsewhere = msgspec.structs.replace(here, regions=(Region(name=RegionName("eu")),))
    for act in (platform.controller.preview, platform.controller.examine):
        with pytest.raises(InvalidInput, match="db is a file on the controller's machine, and the app runs on hosts of eu"):
            await act(SHOP, platform.order(elsewhere))
    await deployed(platform, here)
    with pytest.raises(InvalidInput, match="db is a file on the controller's machine"):
        await platform.controller.preview(SHOP, platform.order(elsewhere))


@story
async def test_a_server_that_does_not_answer_fails_the_deployment_and_what_serves_serves_on(platform: FakePlatform) -> None:
    server = platform.add_server()
    await deployed(platform, WEB)
    server.is_down = True
    deployment = await platform.end(platform.deploy(SHOP, TREE))
    assert deployment.outcome is Outcome.FAILED
    assert "make db (postgres on main)" in deployment.error and "does not answer" in deployment.error
    assert running(platform) == ["v1 web.1", "v1 web.2"] or running(platform)
    server.is_down = False
    await deployed(platform, TREE)
    assert [record.is_ready for record in platform.memory.services(SHOP)] == [True]


@story
async def test_what_is_somebody_elses_is_never_taken(platform: FakePlatform) -> None:
    server = platform.add_server()
    server.stored[PIECE.identity] = Stored(piece=None, content={"salary": "1"})
    deployment = await platform.end(platform.deploy(SHOP, TREE))
    assert deployment.outcome is Outcome.FAILED
    assert "does not carry the mark" in deployment.error
    assert server.stored[PIECE.identity].content == {"salary": "1"}


@story
async def test_a_rotation_gives_every_instance_a_new_password_and_ends_the_old_one(platform: FakePlatform) -> None:
    server = platform.add_server()
    await deployed(platform, TREE)
    first = url_of(platform)
    server.enter(first)["a"] = "1"
    valid: list[int] = []
    platform.on_point = lambda point: valid.append(len(server.stored[PIECE.identity].passwords)) if point.name == "runtime.start" else None
    deployment = await platform.run(SHOP, RotateOrder(service=DB))
    platform.on_point = None
    assert (deployment.outcome, deployment.receipt and deployment.receipt.failed) == (Outcome.SUCCEEDED, 0)
    assert valid and set(valid) == {2}, "both are valid while instances change"
    for slot in (1, 2):
        assert server.enter(url_of(platform, slot=slot, generation=1)) == {"a": "1"}
    assert url_of(platform, generation=1) != first
    with pytest.raises(Refused):
        server.enter(first)
    assert list(platform.memory.service_passwords(SHOP, DB)) == [login_of(PIECE, 2)]


@story
async def test_a_server_that_makes_passwords_itself_has_one_that_every_instance_is_given_and_keeps(platform: FakePlatform) -> None:
    """Also where its answer is lost: the password that nobody heard is no more, and another one is."""
    server = platform.add_server()
    server.makes_passwords = True
    lost = ["provide", "admit"]

    def lose(name: str, _: str) -> None:
        if name in lost:
            lost.remove(name)
            raise OutcomeUnknown("the answer was lost")

    server.after = lose
    await deployed(platform, TREE)
    first = url_of(platform)
    server.enter(first)["a"] = "1"
    deployment = await platform.run(SHOP, RotateOrder(service=DB))
    assert (deployment.outcome, deployment.receipt and deployment.receipt.failed, lost) == (Outcome.SUCCEEDED, 0, [])
    assert server.enter(url_of(platform, slot=2, generation=1)) == {"a": "1"}
    assert platform.memory.service_passwords(SHOP, DB) == server.stored[PIECE.identity].passwords
    with pytest.raises(Refused):
        server.enter(first)


@story
async def test_a_rotation_that_does_not_come_up_leaves_the_old_password_valid_until_a_deployment_does(platform: FakePlatform) -> None:
    server = platform.add_server()
    await deployed(platform, TREE)
    first = url_of(platform)
    platform.runtime.behave = lambda spec: Behaviour(answers=503) if spec.key.generation == 1 else Behaviour()
    deployment = await platform.run(SHOP, RotateOrder(service=DB))
    assert deployment.outcome is Outcome.FAILED
    server.enter(first)
    assert (await platform.run(SHOP, ScaleOrder(counts={ProcessName("web"): 3}))).outcome is Outcome.SUCCEEDED
    server.enter(first)  # the first two instances still use it
    platform.runtime.behave = only_release(1, Behaviour())
    await deployed(platform, TREE)
    with pytest.raises(Refused):
        server.enter(first)
    server.enter(url_of(platform, 2))


@story
async def test_a_service_that_is_not_there_cannot_be_rotated(platform: FakePlatform) -> None:
    await deployed(platform, WEB)
    deployment = await platform.run(SHOP, RotateOrder(service=DB))
    assert (deployment.outcome, deployment.error_code) == (Outcome.FAILED, NotFound.code)


@story
async def test_a_destroyed_environment_keeps_its_services_says_so_and_finds_them_again(platform: FakePlatform) -> None:
    server = platform.add_server()
    await deployed(platform, TREE)
    server.enter(url_of(platform))["a"] = "1"
    preview = await platform.controller.preview(SHOP, DestroyOrder())
    assert "db stays, with all that is in it: `mooring destroy --services` removes it too" in preview.notes
    destroyed = platform.submit(SHOP, DestroyOrder())
    await platform.end(destroyed)
    ends = [event for event in told(platform, EventKind.DEPLOYMENT_ENDED) if event.deployment == destroyed]
    assert "db (postgres on main) stays with all that is in it (`mooring service rm` removes it)" in str(ends[0].fields["message"])
    await deployed(platform, TREE)
    assert server.enter(url_of(platform)) == {"a": "1"}


@story
async def test_destroying_with_its_services_removes_them(platform: FakePlatform) -> None:
    server = platform.add_server()
    await deployed(platform, TREE)
    preview = await platform.controller.preview(SHOP, DestroyOrder(services=True))
    assert any(isinstance(step, RemoveService) for step in preview.steps)
    await platform.run(SHOP, DestroyOrder(services=True))
    assert (server.stored, platform.memory.services()) == ({}, ())


@story
async def test_services_that_cannot_be_removed_need_a_person_and_go_the_next_time(platform: FakePlatform) -> None:
    server = platform.add_server()
    await deployed(platform, TREE)
    server.is_down = True
    deployment = await platform.run(SHOP, DestroyOrder(services=True))
    assert deployment.outcome is Outcome.NEEDS_PERSON
    assert "its services are not all removed" in deployment.error
    server.is_down = False
    await platform.run(SHOP, DestroyOrder(services=True))
    assert (server.stored, platform.memory.services()) == ({}, ())


@story
async def test_a_service_is_changed_only_between_deployments_and_never_under_a_lock(platform: FakePlatform) -> None:
    server = platform.add_server()
    await deployed(platform, TREE)
    step = RemoveService(service=DB, reason="ann asked for it")
    going = platform.deploy(SHOP, TREE)
    with pytest.raises(LeaseHeld, match="a deployment of shop/production goes on"):
        await platform.controller.change_service(SHOP, step)
    await platform.end(going)
    await platform.controller.change_service(SHOP, step)
    assert (server.stored, platform.memory.services()) == ({}, ())


@story
async def test_a_dump_that_is_none_is_refused_once_and_leaves_what_was_there(
    platform: FakePlatform, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = platform.add_server()
    await deployed(platform, TREE)
    server.enter(url_of(platform))["a"] = "1"
    place = tmp_path_factory.mktemp("dumps") / "dump"
    place.write_bytes(b'{"a": "before"}')
    await platform.controller.change_service(SHOP, RestoreService(service=DB, dump=str(place), reason="x"), tries=1)
    assert server.enter(url_of(platform)) == {"a": "before"}


@story
async def test_an_older_controllers_effect_is_refused_by_the_server(platform: FakePlatform) -> None:
    server = platform.add_server()
    await deployed(platform, TREE)
    with pytest.raises(StaleFence):
        await server.remove(Mark(SHOP, "late", 0), PIECE)


def a_copy(of: str, *, mask: str = "") -> Tree:
    wish = msgspec.structs.replace(WISH, source=EnvironmentName(of), mask=mask)
    return msgspec.structs.replace(TREE, services=(wish,))


@story
async def test_a_service_begins_as_a_copy_of_anothers_which_may_be_destroyed(platform: FakePlatform) -> None:
    server = platform.add_server()
    template, branch = EnvironmentId.parse("shop/template"), EnvironmentId.parse("shop/branch")
    await deployed(platform, a_copy("template"), template)
    (made,) = server.stored.values()
    assert made.content == {}, "the one that is named itself begins empty"
    made.content["a"] = "1"
    await platform.end(platform.submit(template, DestroyOrder()))
    preview = await platform.controller.preview(branch, platform.order(a_copy("template")))
    assert str(preview.steps[0]) == "make db (postgres on main, a copy of that of template)"
    await deployed(platform, a_copy("template"), branch)
    copied = server.stored[Piece("c0ffee", branch, DB).identity]
    assert (copied.content, copied is made) == ({"a": "1"}, False)
    copied.content["b"] = "2"
    await deployed(platform, a_copy("template"), branch)
    assert copied.content == {"a": "1", "b": "2"}, "copied once"


@story
async def test_a_strangers_review_app_begins_with_nobodys_data(platform: FakePlatform) -> None:
    """Neither a template's nor production's, whatever its manifest says, and also where only the mark of its environment tells."""
    server = platform.add_server()
    await deployed(platform, a_copy("template"), EnvironmentId.parse("shop/template"))
    await deployed(platform, TREE)
    for stored in server.stored.values():
        stored.content["a"] = "1"
    for number, of in enumerate(("template", "production"), 1):
        branch = f"pull-{number}:main"
        environment = review_environment(SHOP.app, branch)
        order = platform.order(a_copy(of))
        if of == "template":
            order = msgspec.structs.replace(order, origin=msgspec.structs.replace(order.origin, branch=branch))
        mark = ReviewMark(branch=branch, used_at=0.0, expires_at=1e12)
        platform.memory.save_environment(EnvironmentRecord(environment=environment, created_at=0.0, review=mark))
        assert (await platform.end(platform.submit(environment, order))).outcome is Outcome.SUCCEEDED
        assert server.stored[Piece("c0ffee", environment, DB).identity].content == {}


@story
async def test_production_is_never_copied_without_a_mask(platform: FakePlatform) -> None:
    server = platform.add_server()
    await deployed(platform, TREE)
    server.enter(url_of(platform))["a"] = "real"
    staging = EnvironmentId.parse("shop/staging")
    for act in (platform.controller.preview, platform.controller.examine):
        with pytest.raises(InvalidInput, match="db would be a copy of production's real data, with no mask"):
            await act(staging, platform.order(a_copy("production")))
    masked = a_copy("production", mask="DELETE FROM entries")
    assert "masked" in str((await platform.controller.preview(staging, platform.order(masked))).steps[0])
    await deployed(platform, masked, staging)
    assert server.stored[Piece("c0ffee", staging, DB).identity].content == {}
    assert server.enter(url_of(platform)) == {"a": "real"}


@story
async def test_a_copy_of_what_is_not_there_is_refused_before_anything_is_built(platform: FakePlatform) -> None:
    platform.add_server()
    with pytest.raises(InvalidInput, match="a copy of that of shop/template, which has none"):
        await platform.controller.preview(SHOP, platform.order(a_copy("template")))


Act = Callable[[FakePlatform], Awaitable[None]]


async def _first(platform: FakePlatform) -> None:
    await _ended(platform, platform.order(TREE))


async def _rotated(platform: FakePlatform) -> None:
    await _first(platform)
    await _ended(platform, RotateOrder(service=DB))


async def _destroyed(platform: FakePlatform) -> None:
    await _first(platform)
    await _ended(platform, DestroyOrder(services=True))


async def _ended(platform: FakePlatform, order: Order) -> None:
    deployment = await platform.end(await asked(platform, order))
    assert deployment.outcome is Outcome.SUCCEEDED, deployment.error


@pytest.mark.parametrize("act", [_first, _rotated, _destroyed], ids=["made", "rotated", "removed"])
def test_a_controller_that_dies_at_any_point_leaves_one_whole_service_or_none(act: Act) -> None:
    async def dying(platform: FakePlatform, look: Hook) -> None:
        server = platform.add_server()
        platform.on_point = look
        await act(platform)
        platform.on_point = None
        await platform.rest()
        _check(platform, server)

    assert dies_at_each_point(dying) > 20


def _check(platform: FakePlatform, server: FakeServer) -> None:
    """What is remembered is what is there, and what runs can use it."""
    records = platform.memory.services(SHOP)
    assert set(server.stored) == {record.piece.identity for record in records if record.is_ready}
    assert server.stored.keys() <= {PIECE.identity}
    for key in platform.running(SHOP):
        life = platform.runtime.life(key)
        assert life is not None
        server.enter(Secret(life.variables["DATABASE_URL"]))
    for record in records:
        assert len(platform.memory.service_passwords(SHOP, record.piece.service)) <= 2


@story
async def test_what_a_lost_record_left_on_a_server_is_found_by_our_mark_alone_and_removed_like_any(platform: FakePlatform) -> None:
    server, main = platform.add_server(), ServerName("main")
    await deployed(platform, TREE)
    server.stored |= {"payroll": Stored(None), "m_theirs": Stored(Piece("another", SHOP, DB))}
    found: list[tuple[Owned, ...]] = []

    async def look() -> None:
        found.append(await platform.controller.services.orphans(main))

    platform.on_point = lambda point: looks.append(asyncio.ensure_future(look())) if point.name.startswith("service.") else None
    looks: list[asyncio.Future[None]] = []
    branch = EnvironmentId.parse("shop/branch")
    await deployed(platform, TREE, branch)
    await platform.end(platform.submit(branch, DestroyOrder(services=True)))
    platform.on_point = None
    await asyncio.gather(*looks)
    assert found and not any(found), "what is being made or removed is nobody's orphan"
    with pytest.raises(NotFound, match="has no service db"):
        await platform.controller.services.adopt(branch, DB)
    platform.memory.forget_service(SHOP, DB)
    assert [each.piece for each in await platform.controller.services.orphans(main)] == [PIECE]
    record = await platform.controller.services.adopt(SHOP, DB)
    assert (record.piece, record.is_ready) == (PIECE, False)
    assert await platform.controller.services.orphans(main) == ()
    await platform.controller.change_service(SHOP, RemoveService(service=DB, reason="ann asked for it"))
    assert server.stored.keys() == {"payroll", "m_theirs"}
