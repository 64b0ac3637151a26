"""The keeper of certificates in virtual time: months of renewals, an authority's moods, crashes, full disks, an edge that is away."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from engine.certificate_world import BLOG, EVERY, SHOP, WWW, YEAR, Fuse, Hook, World, story, story_of_months

from mooring.drivers.issuer.contract import NotIssued
from mooring.errors import InvalidInput, NotFound
from mooring.model.certificate import AttemptOutcome, CertificateSource, CertificateView
from mooring.model.edge import HttpsSettings
from mooring.model.names import Hostname
from mooring.testing.authority import DAY, PaperAuthority
from mooring.testing.clock import run_virtually


@story
async def test_a_public_hostname_that_is_routed_has_a_certificate_soon(world: World) -> None:
    await world.route(SHOP, WWW)
    await world.until(lambda: world.is_served(SHOP) and world.is_served(WWW), within=10.0)
    assert world.view(SHOP).source == "acme"
    assert f"{SHOP} has a new certificate of Paper authority 1 (it has no certificate)" in world.told


@story_of_months
async def test_no_certificate_ever_runs_out_and_each_is_ordered_when_two_thirds_of_its_life_are_over(world: World) -> None:
    assert world.issuer is not None
    world.issuer.life = 6 * DAY
    await world.route(SHOP, WWW)
    await world.until(lambda: world.is_served(SHOP) and world.is_served(WWW))
    for _ in range(60 * 4):
        await world.clock.sleep(DAY / 4)
        assert world.is_served(SHOP)
        assert world.is_served(WWW)
    assert set(world.issuer.issued.values()) == {15}, "every four days, the first included"


@story_of_months
async def test_while_the_authority_refuses_the_old_certificate_stays_and_it_is_asked_ever_more_rarely(world: World) -> None:
    await world.route(SHOP)
    await world.until(lambda: world.is_served(SHOP))
    assert world.issuer is not None
    before = world.edge.shown[SHOP]
    world.issuer.refusals = [NotIssued("serverInternal: try later")] * 1000
    await world.clock.sleep(80 * DAY)
    assert world.edge.shown[SHOP] == before
    assert world.is_served(SHOP)
    asked = len(world.issuer.asked)
    assert 70 <= asked <= 95, "20 days at one order in six hours, after a quicker beginning"
    assert "serverInternal: try later" in world.view(SHOP).last_error
    world.issuer.refusals = []
    await world.clock.sleep(DAY)
    assert world.edge.shown[SHOP] != before
    assert world.view(SHOP).failures == 0


@story
async def test_a_rate_limit_is_kept_to_and_a_persons_wish_does_not_change_that(world: World) -> None:
    assert world.issuer is not None
    world.issuer.refusals = [NotIssued("rateLimited: too many", retry_at=world.clock.wall() + 2 * DAY)]
    await world.route(SHOP)
    await world.until(lambda: len(world.issuer.asked) == 1)
    world.keeper.renew(SHOP)
    await world.clock.sleep(2 * DAY - 60)
    assert len(world.issuer.asked) == 1
    await world.clock.sleep(120)
    assert world.is_served(SHOP)


@story
async def test_one_hostname_that_cannot_be_proven_keeps_no_other_from_its_certificate(world: World) -> None:
    original = world.edge.ask

    async def ask(hostname: str, path: str = "/", **more: object):
        return await original("nobody.example.org" if hostname == SHOP else hostname, path, **more)

    world.edge.ask = ask  # type: ignore[method-assign]
    await world.route(SHOP, WWW)
    await world.route(BLOG, app="blog")
    await world.until(lambda: world.is_served(WWW) and world.is_served(BLOG), within=10.0)
    await world.clock.sleep(DAY)
    assert not world.is_served(SHOP)
    assert world.view(SHOP).last_error.startswith("unauthorized: ")
    assert len(world.edge.tables()) == 2


@story
async def test_what_a_person_wants_renewed_is_ordered_at_once_and_shown(world: World) -> None:
    await world.route(SHOP)
    await world.until(lambda: world.is_served(SHOP))
    before = world.edge.shown[SHOP]
    world.keeper.renew(SHOP)
    await world.until(lambda: world.edge.shown[SHOP] != before, within=10.0)


@story
async def test_a_controller_that_dies_over_an_order_asks_again_later_and_never_twice_at_once(world: World) -> None:
    assert world.issuer is not None
    world.issuer.latency = 30.0
    await world.route(SHOP)
    await world.until(lambda: len(world.issuer.asked) == 1)
    for _ in range(5):
        await world.crash()
        assert [each.outcome for each in world.memory.attempts()].count(AttemptOutcome.OPEN) == 1
        world.start()
        assert [each.outcome for each in world.memory.attempts()].count(AttemptOutcome.OPEN) == 0
        asked = len(world.issuer.asked)
        await world.until(lambda asked=asked: len(world.issuer.asked) == asked + 1, within=DAY)
    pauses = [later - earlier for (earlier, _), (later, _) in zip(world.issuer.asked, world.issuer.asked[1:], strict=False)]
    assert all(pause >= 120.0 * 2**number for number, pause in enumerate(pauses))
    await world.until(lambda: world.is_served(SHOP))


@story
async def test_a_restart_shows_what_was_shown_and_orders_nothing(world: World) -> None:
    await world.route(SHOP)
    await world.until(lambda: world.is_served(SHOP))
    before = world.edge.shown[SHOP]
    await world.crash()
    world.start()
    await world.clock.sleep(DAY)
    assert world.issuer is not None
    assert world.edge.shown[SHOP] == before
    assert world.issuer.issued[SHOP] == 1


@story
async def test_what_was_issued_for_practice_is_shown_until_the_real_one_takes_its_place(world: World) -> None:
    practice = PaperAuthority("(STAGING) Paper").issue([SHOP], starts_at=world.clock.wall(), expires_at=world.clock.wall() + 90 * DAY)
    world.memory.save_certificate(CertificateSource.ACME, SHOP, practice)
    await world.stop()
    world.start()
    assert world.issuer is not None
    world.issuer.refusals.append(NotIssued("not now"))
    await world.route(SHOP)
    await world.until(lambda: world.view(SHOP).failures == 1)
    assert world.edge.shown[SHOP] == practice
    await world.until(lambda: world.view(SHOP).issuer == "Paper authority 1")
    assert f"{SHOP} has a new certificate of Paper authority 1 (its certificate is one for practice)" in world.told
    assert world.is_served(SHOP)


@story
async def test_a_persons_own_certificate_goes_before_the_platforms_and_both_ways_back(world: World) -> None:
    await world.route(SHOP, WWW)
    await world.until(lambda: world.is_served(SHOP) and world.is_served(WWW))
    ours = world.edge.shown[SHOP]
    own = PaperAuthority("Corporate").issue([SHOP, "*.shop.example.com"], starts_at=0, expires_at=world.clock.wall() + YEAR)
    name, used_for = world.keeper.add(own)
    assert (name, set(used_for)) == (SHOP, {SHOP, WWW})
    await world.until(lambda: world.edge.shown[SHOP] == world.edge.shown[WWW] == own, within=10.0)
    assert (world.view(SHOP).source, world.view(SHOP).issuer) == ("own", "Corporate 1")
    world.keeper.remove(SHOP)
    await world.until(lambda: world.edge.shown[SHOP] == ours, within=10.0)
    with pytest.raises(NotFound):
        world.keeper.remove(SHOP)


@story_of_months
async def test_a_persons_own_that_runs_out_is_followed_by_the_platforms(world: World) -> None:
    own = PaperAuthority().issue([SHOP], starts_at=0, expires_at=world.clock.wall() + 10 * DAY)
    world.keeper.add(own)
    assert world.view(SHOP).hindrance == "no app that it would be shown for is reached under its names"
    await world.route(SHOP)
    await world.until(lambda: world.is_served(SHOP), within=10.0)
    await world.clock.sleep(10 * DAY - 60)
    assert world.edge.shown[SHOP] == own
    assert world.issuer is not None
    assert world.issuer.asked == []
    await world.clock.sleep(120)
    assert world.is_served(SHOP)
    assert world.view(SHOP).source == "acme"


@story
async def test_only_names_of_the_wide_web_are_ordered(world: World) -> None:
    private = ("shop.localhost", "shop", "shop.internal", "shop.test", "10.0.0.7", "printer.local", "*.localhost")
    await world.route(*(Hostname(name) for name in private))
    await world.clock.sleep(DAY)
    assert world.issuer is not None
    assert world.issuer.asked == []
    assert world.keeper.views() == ()


@story
async def test_why_nothing_is_ordered_is_said(world: World) -> None:
    await world.route(SHOP, https=HttpsSettings(acme=False))
    await world.route(EVERY, app="wild")
    await world.clock.sleep(DAY)
    assert world.issuer is not None
    assert world.issuer.asked == []
    assert "acme = false" in world.view(SHOP).hindrance
    assert "--acme-dns-hook" in world.view(EVERY).hindrance
    for name, error in ((SHOP, InvalidInput), (EVERY, InvalidInput), (BLOG, NotFound)):
        with pytest.raises(error):
            world.keeper.renew(name)
    await world.crash()
    world.issuer = None
    await world.route(BLOG, app="blog")
    world.start()
    assert "--acme-email" in world.view(BLOG).hindrance


@story
async def test_a_wildcard_is_proven_by_the_hook(world: World) -> None:
    await world.crash()
    world.hook = Hook()
    world.start()
    await world.route(EVERY)
    await world.until(lambda: world.is_served(EVERY), within=10.0)
    assert world.hook.records == {}


@story
async def test_on_a_full_disk_no_authority_is_asked_since_nobody_would_remember(world: World) -> None:
    world.memory.faults.fail_the_write(1)
    await world.route(SHOP)
    await world.until(lambda: any("the disk is full" in each for each in world.told), within=5.0)
    assert world.issuer is not None
    assert world.issuer.asked == []
    await world.until(lambda: world.is_served(SHOP), within=30.0)


@story
async def test_a_certificate_that_cannot_be_stored_is_a_failed_order_and_the_old_one_stays(world: World) -> None:
    await world.route(SHOP)
    await world.until(lambda: world.is_served(SHOP))
    before = world.edge.shown[SHOP]
    world.memory.faults.before = lambda _, name: world.memory.faults.fail_the_write(0) if name == "save_certificate" else None
    world.keeper.renew(SHOP)
    await world.clock.sleep(5.0)
    assert world.issuer is not None
    assert world.edge.shown[SHOP] in (before, world.memory.certificates(CertificateSource.ACME)[SHOP])


@story
async def test_an_edge_that_is_away_is_told_once_and_shown_everything_when_it_is_back(world: World) -> None:
    await world.route(SHOP)
    await world.until(lambda: world.is_served(SHOP))
    world.edge.faults.is_down = True
    await world.clock.sleep(600)
    assert len([each for each in world.told if each.startswith("certificates: ")]) == 1
    world.edge.faults.is_down = False
    world.edge.shown = {}
    await world.until(lambda: world.is_served(SHOP), within=60.0)


@story
async def test_a_defect_of_the_issuer_is_a_failed_order_and_ends_no_keeper(world: World) -> None:
    assert world.issuer is not None
    world.issuer.refusals = [RuntimeError("defect"), KeyError("other")]
    await world.route(SHOP)
    await world.until(lambda: world.is_served(SHOP), within=600.0)
    assert f"no certificate for {SHOP}: RuntimeError: defect" in world.told


@story_of_months
async def test_what_nobody_is_reached_under_any_more_is_kept_until_it_expires_and_then_removed(world: World) -> None:
    await world.route(SHOP)
    await world.until(lambda: world.is_served(SHOP))
    await world.route(BLOG)
    await world.clock.sleep(89 * DAY)
    assert SHOP in world.memory.certificates(CertificateSource.ACME)
    await world.clock.sleep(2 * DAY)
    assert list(world.memory.certificates(CertificateSource.ACME)) == [BLOG]
    assert world.issuer is not None
    assert world.issuer.issued[SHOP] == 1


@story
async def test_many_new_hostnames_are_ordered_a_few_at_once_and_sixty_in_an_hour(world: World) -> None:
    names = [Hostname(f"n{number}.example.com") for number in range(100)]
    await world.route(*names)
    await world.clock.sleep(3500.0)
    assert world.issuer is not None
    assert len(world.issuer.asked) == 60
    await world.clock.sleep(3700.0)
    assert all(world.is_served(name) for name in names)


@story
async def test_a_clock_that_jumps_a_year_ahead_orders_once_and_not_again_and_again(world: World) -> None:
    await world.route(SHOP)
    await world.until(lambda: world.is_served(SHOP))
    world.clock.jump(YEAR)
    await world.clock.sleep(DAY)
    assert world.issuer is not None
    assert world.issuer.issued[SHOP] == 2
    world.clock.jump(-YEAR)
    await world.clock.sleep(DAY)
    assert world.issuer.issued[SHOP] <= 4


def test_a_view_holds_nothing_of_a_key() -> None:
    assert "key" not in CertificateView.__struct_fields__
    assert msgspec.json.encode(CertificateView(hostname=SHOP))


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
def test_killed_around_any_effect_a_renewal_and_a_new_name_come_to_their_end_and_nothing_shown_goes(is_done: bool) -> None:
    for number in itertools.count(1):
        world, fuse = World(), Fuse(number, is_done=is_done)
        world.fuse = fuse
        run_virtually(_renewal_and_new_name(world, fuse), world.clock)
        if not fuse.is_blown:
            break
    assert number > 12, "so many effects there are: two orders, their challenges, what is shown"


async def _renewal_and_new_name(world: World, fuse: Fuse) -> None:
    """SHOP's certificate is due, BLOG has none. When the fuse has blown, the next controller takes over a minute later."""
    now = world.clock.wall()
    old = PaperAuthority("Older").issue([SHOP], starts_at=now - 61 * DAY, expires_at=now + 29 * DAY)
    world.memory.save_certificate(CertificateSource.ACME, SHOP, old)
    was_served: set[Hostname] = set()

    def is_over() -> bool:
        was_served.update(name for name in (SHOP, BLOG) if world.is_served(name))
        assert all(world.is_served(name) for name in was_served)
        return len(was_served) == 2 and world.edge.shown[SHOP] != old

    await world.route(SHOP, BLOG)
    world.start()
    await world.until(lambda: is_over() or fuse.is_blown)
    await world.clock.sleep(60.0)
    if fuse.is_blown:
        await world.crash()
        world.start()
        await world.until(is_over)
        await world.clock.sleep(60.0)
    assert is_over()
    assert world.issuer is not None
    assert max(world.issuer.issued.values()) <= 2, "what was issued and not stored is ordered once more"
    assert AttemptOutcome.OPEN not in {each.outcome for each in world.memory.attempts()}
    assert world.edge.answers == ()
    await world.stop()
