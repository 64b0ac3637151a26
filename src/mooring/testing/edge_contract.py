"""What every edge does, fake or real: a subclass gives the fixture `rig`, and pytest runs all of it.

A rig knows how to let an app listen, how to ask the edge like a client, and how to restart edge and controller.
Must not: look inside an edge, or count on real time beyond generous deadlines.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import pytest

from mooring.drivers.edge.contract import PROBE_AGENT, Edge
from mooring.drivers.edge.pages import PAGES
from mooring.errors import InvalidInput, StaleFence
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey
from mooring.model.lease import Mark
from mooring.model.names import Hostname, ProcessName, app_name
from mooring.model.routing import Endpoint, EndpointState, Page, PathRoute, RouteTable

WEB = ProcessName("web")
API = ProcessName("api")
PATIENCE = 15.0  # seconds, for what must come soon

_numbers = itertools.count(1)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as a client sees it. `edge` is the edge's own mark, empty on an app's answer; `robots` what search engines are told."""

    status: int
    text: str
    edge: str = ""
    robots: str = ""


class App:
    """What listens behind an endpoint: `/slow` waits until it is released, `/error` fails in the app's own way."""

    def __init__(self, name: str, address: str, port: int) -> None:
        self.name = name
        self.address = address
        self.port = port
        self.asked = 0
        self.released = asyncio.Event()

    async def respond(self, path: str) -> tuple[int, str]:
        self.asked += 1
        if path.startswith("/slow"):
            await self.released.wait()
        return (500, "the app's own error") if path.startswith("/error") else (200, self.name)


class EdgeRig(Protocol):
    """An edge with the means to test it."""

    @property
    def edge(self) -> Edge: ...

    async def listen(self, name: str) -> App: ...

    async def ask(
        self, hostname: str, path: str = ..., *, agent: str = ..., accept: str = ..., sent: str = ..., claimed: str = ...
    ) -> Reply:
        """From this machine. `sent`: `user:password`; `claimed`: the address that the request says it comes from."""

    def wall(self) -> float: ...

    async def restart_edge(self) -> None:
        """By SIGKILL, as it may happen; returns when it serves again."""

    async def restart_controller(self) -> None:
        """`edge` is another object afterwards, made from what is on disk."""


class Shop:
    """An environment of its own, with a table that is built step by step."""

    def __init__(self, rig: EdgeRig) -> None:
        self.rig = rig
        self.environment = EnvironmentId.parse(app_name(f"shop{next(_numbers)}"))
        self.hostname = Hostname(f"{self.environment.app}.localhost")
        self.fence = 1

    def endpoint(self, app: App, *, release: int = 1, process: ProcessName = WEB, draining: bool = False) -> Endpoint:
        key = InstanceKey(environment=self.environment, process=process, slot=1, release=release)
        state = EndpointState.DRAINING if draining else EndpointState.ACTIVE
        return Endpoint(instance=key, address=app.address, port=app.port, state=state)

    def table(self, *endpoints: Endpoint, hold: float = 0.0, page: Page = Page.STARTING) -> RouteTable:
        routes = (PathRoute(path="/", process=WEB, endpoints=endpoints),)
        return RouteTable(environment=self.environment, hostnames=(self.hostname,), routes=routes, hold=hold, page=page)

    async def apply(self, table: RouteTable, *, fence: int | None = None) -> None:
        await self.rig.edge.apply(Mark(self.environment, "test", self.fence if fence is None else fence), table)

    async def remove(self) -> None:
        await self.rig.edge.remove(Mark(self.environment, "test", self.fence))

    async def ask(self, path: str = "/") -> Reply:
        return await self.rig.ask(self.hostname, path)


async def eventually(condition: Callable[[], Awaitable[bool]], *, within: float = PATIENCE) -> None:
    """Fails when it does not hold within so many seconds."""
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.01)


class EdgeContract:
    @pytest.fixture
    def shop(self, rig: EdgeRig) -> Shop:
        return Shop(rig)

    async def test_a_request_is_answered_by_the_active_instance(self, rig: EdgeRig, shop: Shop) -> None:
        app = await rig.listen("one")
        await shop.apply(shop.table(shop.endpoint(app)))
        reply = await shop.ask("/anything?with=query")
        assert (reply.status, reply.text, reply.edge) == (200, "one", "")

    async def test_a_draining_instance_gets_no_new_request_once_the_table_is_applied(self, rig: EdgeRig, shop: Shop) -> None:
        old, new = await rig.listen("old"), await rig.listen("new")
        await shop.apply(shop.table(shop.endpoint(old)))
        assert (await shop.ask()).text == "old"
        await shop.apply(shop.table(shop.endpoint(old, draining=True), shop.endpoint(new, release=2)))
        assert {(await shop.ask()).text for _ in range(20)} == {"new"}

    async def test_a_switch_that_is_taken_back_at_once_is_taken_back_once_the_table_is_applied(self, rig: EdgeRig, shop: Shop) -> None:
        """Both are known already: whoever is told to drain may be stopped a moment later, however soon it is."""
        old, new = await rig.listen("old"), await rig.listen("new")
        await shop.apply(shop.table(shop.endpoint(old)))
        for _ in range(2):
            await shop.apply(shop.table(shop.endpoint(old, draining=True), shop.endpoint(new, release=2)))
            assert {(await shop.ask()).text for _ in range(20)} == {"new"}
            await shop.apply(shop.table(shop.endpoint(old), shop.endpoint(new, release=2, draining=True)))
            assert {(await shop.ask()).text for _ in range(20)} == {"old"}

    async def test_one_active_instance_takes_all_requests_though_many_others_drain(self, rig: EdgeRig, shop: Shop) -> None:
        old = [await rig.listen(f"old{number}") for number in range(5)]
        new = await rig.listen("new")
        leaving = [
            msgspec.structs.replace(each, instance=msgspec.structs.replace(each.instance, slot=slot))
            for slot, each in enumerate((shop.endpoint(app, draining=True) for app in old), start=1)
        ]
        await shop.apply(shop.table(*leaving, shop.endpoint(new, release=2)))
        assert {(await shop.ask()).text for _ in range(20)} == {"new"}

    async def test_a_request_in_flight_is_counted_and_finishes_when_its_instance_drains(self, rig: EdgeRig, shop: Shop) -> None:
        old, new = await rig.listen("old"), await rig.listen("new")
        await shop.apply(shop.table(shop.endpoint(old)))
        asking = asyncio.create_task(shop.ask("/slow"))
        slug = shop.endpoint(old).instance.slug

        async def is_flying() -> bool:
            return (await rig.edge.observe(shop.environment))[0].in_flight.get(slug) == 1

        await eventually(is_flying)
        await shop.apply(shop.table(shop.endpoint(old, draining=True), shop.endpoint(new, release=2)))
        assert await is_flying()
        old.released.set()
        assert (await asking).text == "old"

        async def is_empty() -> bool:
            return not (await rig.edge.observe(shop.environment))[0].in_flight

        await eventually(is_empty)

    async def test_who_asks_for_an_app_that_sleeps_is_told_of_and_waits_but_a_browser_is_shown_a_page(
        self, rig: EdgeRig, shop: Shop
    ) -> None:
        app, since = await rig.listen("one"), rig.wall()
        asleep = msgspec.structs.replace(shop.table(page=Page.WAKING), wakes_within=PATIENCE)
        await shop.apply(asleep)
        assert shop.environment not in await rig.edge.waited_for()
        page = await rig.ask(shop.hostname, "/", accept="text/html,*/*")
        assert page.status == 503 and page.edge and PAGES[Page.WAKING].text in page.text
        assert shop.environment in await rig.edge.waited_for()
        asking = asyncio.create_task(rig.ask(shop.hostname, "/", accept="application/json"))

        async def is_told() -> bool:
            return shop.environment in await rig.edge.waited_for()

        await eventually(is_told)
        await shop.apply(shop.table(shop.endpoint(app)))
        reply = await asking
        assert (reply.status, reply.text) == (200, "one"), "though the table's own hold is 0 seconds"
        traffic = await rig.edge.traffic(shop.environment, since=since, until=rig.wall())
        assert (traffic.requests, traffic.failed) == (2, 0), "the page that loads again by itself is no failure"

    async def test_who_waited_for_an_app_that_was_removed_wakes_no_other_that_comes_by_its_name(self, rig: EdgeRig, shop: Shop) -> None:
        asleep = shop.table(page=Page.WAKING)
        await shop.apply(asleep)
        assert (await rig.ask(shop.hostname, "/", accept="text/html")).status == 503
        await shop.remove()
        await shop.apply(asleep)
        assert shop.environment not in await rig.edge.waited_for()

    async def test_applying_the_same_table_again_changes_nothing(self, rig: EdgeRig, shop: Shop) -> None:
        app = await rig.listen("one")
        table = shop.table(shop.endpoint(app))
        await shop.apply(table)
        before = await rig.edge.observe(shop.environment)
        await shop.apply(table)
        assert await rig.edge.observe(shop.environment) == before
        assert (await shop.ask()).text == "one"

    async def test_what_is_routed_can_be_observed(self, rig: EdgeRig, shop: Shop) -> None:
        app = await rig.listen("one")
        table = shop.table(shop.endpoint(app))
        assert await rig.edge.observe(shop.environment) == ()
        await shop.apply(table)
        (view,) = await rig.edge.observe(shop.environment)
        assert view.table == table
        assert view.is_acknowledged
        assert table in [each.table for each in await rig.edge.observe()]

    async def test_a_hostname_of_another_environment_is_refused_and_both_serve_as_before(self, rig: EdgeRig, shop: Shop) -> None:
        mine, theirs, other = await rig.listen("mine"), await rig.listen("theirs"), Shop(rig)
        await shop.apply(shop.table(shop.endpoint(mine)))
        await other.apply(other.table(other.endpoint(theirs)))
        stolen = msgspec.structs.replace(other.table(other.endpoint(theirs)), hostnames=(other.hostname, shop.hostname))
        with pytest.raises(InvalidInput, match=f"{shop.hostname} belongs to {shop.environment}"):
            await other.apply(stolen)
        assert (await shop.ask()).text == "mine"
        assert (await other.ask()).text == "theirs"

    async def test_a_table_without_routes_is_refused_and_the_old_one_serves(self, rig: EdgeRig, shop: Shop) -> None:
        app = await rig.listen("one")
        await shop.apply(shop.table(shop.endpoint(app)))
        with pytest.raises(InvalidInput, match="nothing to route"):
            await shop.apply(msgspec.structs.replace(shop.table(), routes=()))
        assert (await shop.ask()).text == "one"

    async def test_a_request_without_an_instance_is_held_and_served_when_one_appears(self, rig: EdgeRig, shop: Shop) -> None:
        await shop.apply(shop.table(hold=PATIENCE))
        asking = asyncio.create_task(shop.ask("/held"))
        await asyncio.sleep(0.2)
        assert not asking.done()
        app = await rig.listen("late")
        await shop.apply(shop.table(shop.endpoint(app), hold=PATIENCE))
        reply = await asyncio.wait_for(asking, PATIENCE)
        assert (reply.status, reply.text) == (200, "late")
        assert app.asked == 1

    async def test_who_waited_in_vain_for_an_app_that_sleeps_gets_the_page_of_the_table_as_it_is_by_then(
        self, rig: EdgeRig, shop: Shop
    ) -> None:
        asleep = msgspec.structs.replace(shop.table(page=Page.WAKING), wakes_within=1.0)
        await shop.apply(asleep)
        asking = asyncio.create_task(rig.ask(shop.hostname, "/", accept="application/json"))

        async def is_told() -> bool:
            return shop.environment in await rig.edge.waited_for()

        await eventually(is_told)
        await shop.apply(msgspec.structs.replace(asleep, page=Page.NO_ROOM))
        reply = await asking
        assert reply.status == 503 and reply.edge and PAGES[Page.NO_ROOM].text in reply.text

    @pytest.mark.parametrize("page", [Page.STARTING, Page.CRASHED])
    async def test_a_request_that_was_held_in_vain_gets_the_page_of_the_table(self, shop: Shop, page: Page) -> None:
        await shop.apply(shop.table(hold=0.1, page=page))
        reply = await shop.ask()
        assert reply.status == 503
        assert reply.edge
        assert {Page.STARTING: "is starting", Page.CRASHED: "has stopped working"}[page] in reply.text

    async def test_maintenance_answers_every_request_until_it_ends(self, rig: EdgeRig, shop: Shop) -> None:
        app = await rig.listen("one")
        table = shop.table(shop.endpoint(app))
        await shop.apply(msgspec.structs.replace(table, is_maintenance=True))
        reply = await shop.ask("/any")
        assert (reply.status, reply.edge) == (503, "maintenance")
        await shop.apply(table)
        assert (await shop.ask()).text == "one"
        assert app.asked == 1

    async def test_an_unknown_hostname_gets_the_page_that_says_so(self, rig: EdgeRig) -> None:
        reply = await rig.ask("nobody.localhost")
        assert (reply.status, reply.edge) == (404, "no-such-app")

    async def test_the_longest_path_leads_and_only_whole_segments_count(self, rig: EdgeRig, shop: Shop) -> None:
        web, api = await rig.listen("web"), await rig.listen("api")
        routes = (
            PathRoute(path="/", process=WEB, endpoints=(shop.endpoint(web),)),
            PathRoute(path="/api", process=API, endpoints=(shop.endpoint(api, process=API),)),
        )
        await shop.apply(msgspec.structs.replace(shop.table(), routes=routes))
        answers = [(await shop.ask(path)).text for path in ("/", "/api", "/api/", "/api/x", "/apix", "/API")]
        assert answers == ["web", "api", "api", "api", "web", "web"]

    async def test_a_wildcard_leads_where_no_exact_hostname_does(self, rig: EdgeRig, shop: Shop) -> None:
        wild, exact, other = await rig.listen("wild"), await rig.listen("exact"), Shop(rig)
        domain = f"{shop.environment.app}.localhost"
        names = (Hostname(f"*.{domain}"),)
        await shop.apply(msgspec.structs.replace(shop.table(shop.endpoint(wild)), hostnames=names))
        special = msgspec.structs.replace(other.table(other.endpoint(exact)), hostnames=(Hostname(f"special.{domain}"),))
        await other.apply(special)
        assert (await rig.ask(f"any.{domain}")).text == "wild"
        assert (await rig.ask(f"special.{domain}")).text == "exact"

    async def test_tables_survive_the_restart_of_the_edge(self, rig: EdgeRig, shop: Shop) -> None:
        app = await rig.listen("one")
        await shop.apply(shop.table(shop.endpoint(app)))
        await rig.restart_edge()
        assert (await shop.ask()).text == "one"

    async def test_tables_survive_the_restart_of_the_controller(self, rig: EdgeRig, shop: Shop) -> None:
        app = await rig.listen("one")
        table = shop.table(shop.endpoint(app))
        await shop.apply(table)
        await rig.restart_controller()
        (view,) = await rig.edge.observe(shop.environment)
        assert view.table == table
        assert (await shop.ask()).text == "one"

    async def test_an_older_fence_is_refused_and_changes_nothing(self, rig: EdgeRig, shop: Shop) -> None:
        app = await rig.listen("one")
        table = shop.table(shop.endpoint(app))
        await shop.apply(table, fence=7)
        await rig.restart_controller()
        with pytest.raises(StaleFence):
            await shop.apply(shop.table(), fence=6)
        with pytest.raises(StaleFence):
            await rig.edge.remove(Mark(shop.environment, "test", 6))
        assert (await rig.edge.observe(shop.environment))[0].table == table
        assert (await shop.ask()).text == "one"

    async def test_a_removed_environment_is_routed_no_more_and_its_fence_is_remembered(self, rig: EdgeRig, shop: Shop) -> None:
        app, shop.fence = await rig.listen("one"), 3
        await shop.apply(shop.table(shop.endpoint(app)))
        await shop.remove()
        await shop.remove()
        assert await rig.edge.observe(shop.environment) == ()
        assert (await shop.ask()).status == 404
        with pytest.raises(StaleFence):
            await shop.apply(shop.table(shop.endpoint(app)), fence=2)

    async def test_traffic_tells_the_apps_errors_from_the_edges(self, rig: EdgeRig, shop: Shop) -> None:
        app = await rig.listen("one")
        since = rig.wall()
        await shop.apply(shop.table())
        assert (await shop.ask("/too-early")).status == 503
        await shop.apply(shop.table(shop.endpoint(app, release=4)))
        for path in ("/", "/", "/error"):
            await shop.ask(path)
        traffic = await rig.edge.traffic(shop.environment, since=since, until=rig.wall())
        assert (traffic.requests, traffic.app_errors, traffic.edge_errors, traffic.resets) == (4, 1, 1, 0)
        assert traffic.by_release == {"4": 3}
        assert "/too-early" in traffic.failures[0]

    async def test_a_port_that_a_later_release_has_taken_over_counts_for_that_one(self, rig: EdgeRig, shop: Shop) -> None:
        app, since = await rig.listen("one"), rig.wall()
        for release in (1, 2, 2, 3):
            await shop.apply(shop.table(shop.endpoint(app, release=release)))
            await shop.ask()
        traffic = await rig.edge.traffic(shop.environment, since=since, until=rig.wall())
        assert traffic.by_release == {"1": 1, "2": 2, "3": 1}

    async def test_traffic_counts_only_its_environment_its_window_and_no_probes(self, rig: EdgeRig, shop: Shop) -> None:
        app, other = await rig.listen("one"), Shop(rig)
        await shop.apply(shop.table(shop.endpoint(app)))
        await other.apply(other.table())
        await shop.ask()
        await rig.edge.traffic(shop.environment, since=0, until=rig.wall())
        await asyncio.sleep(0.01)
        since = rig.wall()
        await shop.ask()
        await other.ask()
        await rig.ask(shop.hostname, "/", agent=f"{PROBE_AGENT}/1")
        traffic = await rig.edge.traffic(shop.environment, since=since, until=rig.wall())
        assert traffic.requests == 1

    async def test_traffic_counts_the_held_who_were_served(self, rig: EdgeRig, shop: Shop) -> None:
        since = rig.wall()
        await shop.apply(shop.table(hold=PATIENCE))
        asking = asyncio.create_task(shop.ask())
        await asyncio.sleep(0.2)
        app = await rig.listen("late")
        await shop.apply(shop.table(shop.endpoint(app), hold=PATIENCE))
        assert (await asking).status == 200
        traffic = await rig.edge.traffic(shop.environment, since=since, until=rig.wall())
        assert (traffic.requests, traffic.held, traffic.failed) == (1, 1, 0)

    async def test_a_url_names_the_hostname_and_the_port(self, rig: EdgeRig, shop: Shop) -> None:
        assert rig.edge.url(shop.hostname) == f"http://{shop.hostname}:{rig.edge.capabilities.http_port}"
