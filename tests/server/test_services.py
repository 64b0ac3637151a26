"""Data services through the API: servers looked at before they are used, what comes from them made, listed, rotated, carried, removed."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from server.serving import TREE, Served
from server.test_accessories import REDIS
from server.test_reviews import until, up

from mooring.cli import exit_codes
from mooring.cli.main import run
from mooring.cli.session import Session
from mooring.client.client import Client
from mooring.engine.orders import DestroyOrder
from mooring.engine.variables import access_to
from mooring.errors import InvalidInput, InvalidName, NotFound, Refused, Unavailable
from mooring.model.deployment import Deployment, Outcome, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.names import AccessoryName, ServiceName
from mooring.model.review import ReviewMark
from mooring.model.secret import Secret
from mooring.model.service import Piece, ServiceKind, ServiceWish
from mooring.server.chores import OrphanWatch
from mooring.testing.service import FakeServer, Stored

SHOP = EnvironmentId.parse("cellar")
ADDRESS = Secret("postgresql://admin:sesame-of-admin@db.test:5432/postgres")
WISH = ServiceWish(name=ServiceName("db"), kind=ServiceKind.POSTGRES, prefix="DATABASE")
WITH_DB = msgspec.structs.replace(TREE, services=(WISH,))


@pytest.fixture
def server(served: Served) -> Iterator[FakeServer]:
    """A server that is there, and not yet known to the platform; afterwards nothing of it is."""
    world = served.world
    world.workshop.tree = WITH_DB
    yield world.servers.add(ADDRESS.reveal())
    world.workshop.tree = TREE
    if world.memory.environment(SHOP) is not None:
        served.ended(served.client.destroy(SHOP, confirm=str(SHOP)).id)
    for record in world.memory.services():
        world.memory.forget_service(record.piece.environment, record.piece.service)
    for known in world.memory.service_servers():
        world.memory.forget_service_server(known.name)
    world.servers.by_address.clear()


@pytest.fixture
def client(served: Served, server: FakeServer) -> Client:
    """The server is known, and an app has a database on it."""
    served.client.add_server("main", ServiceKind.POSTGRES, ADDRESS)
    deployment = served.deploy(SHOP)
    assert deployment.outcome is Outcome.SUCCEEDED, deployment.error
    return served.client


def content(served: Served, server: FakeServer) -> dict[str, str]:
    """What lies in the app's database."""
    (stored,) = server.stored.values()
    return stored.content


def test_a_server_is_looked_at_and_its_address_shown_to_nobody(served: Served, server: FakeServer) -> None:
    added = served.client.add_server("main", ServiceKind.POSTGRES, ADDRESS)
    assert (added.server.place, added.server.version, added.services) == ("db.test:5432", "1.0", ())
    assert served.client.servers() == (added,)
    assert "sesame" not in served.http.get("/v1/service-servers").text
    assert "sesame" not in served.services.platform.secrets.redactor(SHOP).redact(f"connecting to {ADDRESS.reveal()}")


def test_a_server_where_apps_reach_each_other_is_refused_unless_somebody_accepts_it(served: Served, server: FakeServer) -> None:
    server.is_open = True
    with pytest.raises(Refused, match="main cannot be used as it is: isolation: everybody reaches everything") as refused:
        served.client.add_server("main", ServiceKind.POSTGRES, ADDRESS)
    assert refused.value.hint == "close it (or accept it with --accept-open)"
    assert served.client.servers() == ()
    added = served.client.add_server("main", ServiceKind.POSTGRES, ADDRESS, accept_open=True)
    assert [finding.subject for finding in added.findings] == ["isolation"]


def test_a_server_that_does_not_answer_is_not_taken_and_one_that_does_not_any_more_is_told(served: Served, server: FakeServer) -> None:
    server.is_down = True
    with pytest.raises(Unavailable, match="the server does not answer"):
        served.client.add_server("main", ServiceKind.POSTGRES, ADDRESS)
    server.is_down = False
    served.client.add_server("main", ServiceKind.POSTGRES, ADDRESS)
    server.is_down = True
    (status,) = served.client.servers()
    assert "the server does not answer" in status.error


@pytest.mark.parametrize("address", ["", " ", "x" * 5_000, "a\nb"])
def test_what_is_no_address_is_refused(served: Served, server: FakeServer, address: str) -> None:
    with pytest.raises(InvalidInput, match="that is no address of a server"):
        served.client.add_server("main", ServiceKind.POSTGRES, Secret(address))


def test_a_server_from_which_something_comes_is_not_forgotten(client: Client) -> None:
    with pytest.raises(Refused, match="cellar/production/db come from main"):
        client.remove_server("main")
    with pytest.raises(NotFound, match="there is no server other"):
        client.remove_server("other")


def test_a_service_is_listed_with_where_it_is_and_how_large(client: Client, served: Served, server: FakeServer) -> None:
    content(served, server)["a"] = "12"
    (status,) = client.services(SHOP)
    assert (status.record.piece.service, status.record.server, status.size, status.logins) == ("db", "main", 3, 1)
    assert status.record.piece.identity in server.stored
    server.is_down = True
    (status,) = client.services(SHOP)
    assert (status.size, "does not answer" in status.error) == (None, True)
    server.is_down = False


def test_its_variable_is_shown_by_name_and_origin_alone(client: Client) -> None:
    found = {variable.name: variable for variable in client.config(SHOP)}
    assert (found["DATABASE_URL"].value, found["DATABASE_URL"].origin) == (None, "service db")


def test_a_rotation_is_a_deployment_and_ends_with_one_login(client: Client, served: Served, server: FakeServer) -> None:
    before = next(iter(server.stored.values())).passwords
    deployment = served.ended(client.rotate_service(SHOP, "db").id)
    assert (deployment.trigger, deployment.outcome) == (Trigger.ROTATE, Outcome.SUCCEEDED), deployment.error
    after = next(iter(server.stored.values())).passwords
    assert len(after) == 1 and after.keys() != before.keys()


def test_a_file_has_no_password_to_change(served: Served, server: FakeServer) -> None:
    served.client.add_server("disk", ServiceKind.SQLITE, ADDRESS)
    served.world.workshop.tree = msgspec.structs.replace(TREE, services=(msgspec.structs.replace(WISH, kind=ServiceKind.SQLITE),))
    assert served.deploy(SHOP).outcome is Outcome.SUCCEEDED
    with pytest.raises(Refused, match="db is a file: it has no password"):
        served.client.rotate_service(SHOP, "db")


def test_a_dump_is_carried_out_and_back_and_nothing_of_it_is_left(client: Client, served: Served, server: FakeServer) -> None:
    content(served, server)["a"] = "1"
    into = io.BytesIO()
    assert client.dump_service(SHOP, "db", into) == len(into.getvalue())
    content(served, server)["a"] = "spoilt"
    dump = served.world.state / "a.dump"
    dump.write_bytes(into.getvalue())
    with dump.open("rb") as file:
        client.restore_service(SHOP, "db", file)
    assert content(served, server) == {"a": "1"}
    until = time.monotonic() + 30
    while left := list((served.world.state / "uploads").iterdir()):  # one goes only after its last byte was sent
        assert time.monotonic() < until, left
        time.sleep(0.02)


def test_a_service_is_removed_by_its_full_name_once_nothing_that_runs_declares_it(
    client: Client, served: Served, server: FakeServer
) -> None:
    with pytest.raises(InvalidInput, match="removing db is confirmed with its full name"):
        client.remove_service(SHOP, "db", confirm="db")
    with pytest.raises(Refused, match="declares db"):
        client.remove_service(SHOP, "db", confirm="cellar/production/db")
    served.world.workshop.tree = TREE
    served.deploy(SHOP)
    client.remove_service(SHOP, "db", confirm="cellar/production/db")
    assert (server.stored, client.services(SHOP)) == ({}, ())


def test_a_service_outlives_its_environment_and_goes_with_it_where_that_is_said(client: Client, served: Served, server: FakeServer) -> None:
    served.ended(client.destroy(SHOP, confirm=str(SHOP)).id)
    assert [status.record.piece.service for status in client.services(SHOP)] == ["db"]
    served.deploy(SHOP)
    served.ended(client.destroy(SHOP, confirm=str(SHOP), services=True).id)
    assert (server.stored, client.services(SHOP)) == ({}, ())


def test_what_a_review_app_left_on_a_server_is_told_by_the_server_and_by_whose_it_is(
    client: Client, served: Served, server: FakeServer, tmp_path: Path
) -> None:
    branch = up(served, SHOP.app, "one", tmp_path)
    lost = Piece(served.world.servers.controller, branch, ServiceName("other"))
    server.stored[lost.identity] = Stored(lost)
    going = client.review_down(SHOP.app, "one")
    assert served.ended(going.id).outcome is Outcome.SUCCEEDED
    told = {trace.kind: trace for trace in client.review_traces(SHOP.app, "one", going.id)}
    assert told["database"].left == (f"{lost.identity} on main",), "though no record knows it; and production's is no trace of it"
    assert (told["service"].left, told["role"].left) == ((), ())
    assert [kind for kind, trace in told.items() if not trace.is_in_order] == ["database"]
    del server.stored[lost.identity]


def test_of_a_tear_down_that_its_server_holds_up_the_command_names_what_is_left(
    client: Client, served: Served, server: FakeServer, tmp_path: Path
) -> None:
    branch = up(served, SHOP.app, "held", tmp_path)
    server.is_down = True
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    session = Session(stdin=io.StringIO(), stdout=out, stderr=out, variables={}, directory=tmp_path, connect=lambda: served.client)
    code = run(["review", "down", "held", "-a", SHOP.app], session)
    out.seek(0)
    told = " ".join(out.read().split())
    assert code == exit_codes.NEEDS_PERSON, told
    why = "left (it is stopped, but its services are not all removed: "
    for line in ("✓ instance: gone", "✓ route: gone", f"✗ service: db (postgres on main) {why}", "✗ role: could not be looked for: main: "):
        assert line in told, told
    assert "✗ release: v1 left (it goes last, with the environment's record)" in told
    assert "; stays: service db (postgres on main) (it should be gone)" in told, "as the deployment ended"
    server.is_down = False
    with suppress(NotFound):  # its keeper tries again, too
        client.review_down(SHOP.app, "held")
    until(lambda: served.world.memory.environment(branch) is None)


def test_what_there_is_not_is_not_found(client: Client) -> None:
    for name, error in (("other", NotFound), ("NOTHING", InvalidName)):
        for act in (client.rotate_service, lambda *named: client.dump_service(*named, io.BytesIO())):
            with pytest.raises(error):
                act(SHOP, name)


def test_every_wish_is_in_the_audit_log_without_a_secret(client: Client, served: Served) -> None:
    served.ended(client.rotate_service(SHOP, "db").id)
    entries = [entry for entry in served.world.memory.audit() if entry.what.startswith("service")]
    assert {entry.what for entry in entries} >= {"service add-server", "service rotate"}
    assert "sesame" not in msgspec.json.encode(entries).decode()


def test_an_order_that_destroys_is_read_as_it_was_written_before_services_were_known() -> None:
    assert DestroyOrder() == msgspec.json.decode(b'{"type": "destroy"}', type=DestroyOrder)


def test_what_nobody_owns_is_named_and_goes_by_its_name_alone_and_what_is_not_ours_never(
    client: Client, served: Served, server: FakeServer
) -> None:
    """As after a memory was brought back that is older than the database."""
    old = EnvironmentId.parse("cellar/old")
    orphan = Piece(served.world.servers.controller, old, ServiceName("db"))
    strangers = (Piece("another", old, ServiceName("db")), None)
    server.stored |= {orphan.identity: Stored(orphan), "payroll": Stored(strangers[1]), strangers[0].identity: Stored(strangers[0])}
    watch = OrphanWatch(served.services.platform)
    for _ in range(2):
        asyncio.run_coroutine_threadsafe(watch.look(), served.loop).result(30)
    told = [str(event.fields["message"]) for event in served.world.memory.events() if "nobody owns" in str(event.fields.get("message"))]
    assert told == [
        f"nobody owns cellar/old/db on main any more: database {orphan.identity}; `mooring service servers` says how to remove it"
    ]
    (status,) = client.servers()
    assert [(each.what, each.name) for each in status.orphans] == [("database", orphan.identity)]
    with pytest.raises(InvalidInput, match="confirmed with its full name"):
        client.remove_service(old, "db", confirm="db")
    with pytest.raises(NotFound, match="has no service payroll"):
        client.remove_service(old, "payroll", confirm="cellar/old/payroll")
    assert client.remove_service(old, "db", confirm="cellar/old/db").piece == orphan
    assert orphan.identity not in server.stored and {"payroll", strangers[0].identity} < server.stored.keys()
    assert (client.servers()[0].orphans, client.services(old)) == ((), ())
    del server.stored["payroll"], server.stored[strangers[0].identity]


@pytest.fixture
def cache(served: Served) -> Iterator[EnvironmentId]:
    """An accessory of another app, which runs, with an administrator's address."""
    owner, world = EnvironmentId.parse("data"), served.world
    world.workshop.tree = msgspec.structs.replace(TREE, accessories=(REDIS,))
    served.deploy(owner)
    world.workshop.tree = TREE
    yield owner.with_accessory(REDIS.name)
    for known in world.memory.service_servers():
        world.memory.forget_service_server(known.name)
    if world.memory.environment(owner) is not None:
        served.ended(served.client.destroy(owner, confirm=str(owner)).id)


def test_an_accessory_is_a_server_whose_address_nobody_has_to_know(served: Served, server: FakeServer, cache: EnvironmentId) -> None:
    world = served.world
    address = access_to(world.memory, cache)["URL"]
    assert isinstance(address, Secret)
    world.servers.add(address.reveal())
    added = served.client.add_server("cache", ServiceKind.REDIS, None, accessory=cache)
    assert added.server.accessory == cache
    assert address.reveal() not in served.http.get("/v1/service-servers").text
    wish = ServiceWish(name=ServiceName("cache"), kind=ServiceKind.REDIS, prefix="REDIS")
    world.workshop.tree = msgspec.structs.replace(TREE, services=(wish,))
    deployment = served.deploy(SHOP)
    assert deployment.outcome is Outcome.SUCCEEDED, deployment.error
    for going in (lambda: served.client.destroy(cache.home, confirm=str(cache.home)), lambda: removal_of(served, cache)):
        with pytest.raises(Refused, match=r"cellar/production/cache come from data/production\.redis, and would be lost with it"):
            going()
    served.ended(served.client.destroy(SHOP, confirm=str(SHOP), services=True).id)
    assert served.ended(removal_of(served, cache).id).outcome is Outcome.SUCCEEDED


def test_what_is_no_accessory_that_can_be_a_server_is_refused(served: Served, cache: EnvironmentId) -> None:
    def added(name: str) -> object:
        return served.client.add_server("cache", ServiceKind.REDIS, None, accessory=EnvironmentId.parse(name))

    with pytest.raises(InvalidInput, match="data/production is no accessory"):
        added("data/production")
    with pytest.raises(NotFound, match=r"no accessory data/production\.queue that runs"):
        added("data/production.queue")
    served.world.workshop.tree = msgspec.structs.replace(
        TREE, accessories=(REDIS, msgspec.structs.replace(REDIS, name=AccessoryName("bare"), url=""))
    )
    served.deploy(cache.home)
    with pytest.raises(InvalidInput, match=r"data/production\.bare has no url"):
        added("data/production.bare")
    record = served.world.memory.environment(cache.home)
    assert record is not None
    review = ReviewMark(branch="feature/x", used_at=0, expires_at=1e12)
    served.world.memory.save_environment(msgspec.structs.replace(record, review=review))
    with pytest.raises(Refused, match=r"data/production\.redis goes with its review app"):
        added(str(cache))
    assert served.client.servers() == ()


def removal_of(served: Served, accessory: EnvironmentId) -> Deployment:
    assert accessory.accessory is not None
    return served.client.accessories(accessory.home).remove(accessory.accessory, is_volume_removed=True)
