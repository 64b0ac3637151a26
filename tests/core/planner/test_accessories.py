"""What a deploy may do to accessories: make the missing ones, whatever else is declared or there; and what a person is told of the rest."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import InvalidInput
from mooring.model.accessory import Accessory, Place, blanks, filled_in
from mooring.model.environment import EnvironmentId
from mooring.model.health import Check, Checks
from mooring.model.host import Host, HostAddress, HostRuntime
from mooring.model.names import LOCAL, AccessoryName, ArtifactId, HostId, ProcessName, RegionName
from mooring.model.release import Artifact
from mooring.planner.accessories import (
    Condition,
    Present,
    check_reachable,
    differences,
    host_of,
    judged,
    missing,
    pinned,
    release_of,
)

REDIS = Accessory(name=AccessoryName("redis"), command="redis-server", checks=Checks(startup=Check(), readiness=Check()))
CACHE = EnvironmentId.parse("shop").with_accessory(REDIS.name)
EU, US = RegionName("eu"), RegionName("us")

names = st.sampled_from([AccessoryName(name) for name in ("redis", "queue", "search", "mail")])
accessories = st.builds(
    Accessory,
    name=names,
    image=st.sampled_from(["", "redis:7", "redis:8"]),
    command=st.sampled_from(["", "redis-server"]),
    memory=st.sampled_from([0, 64_000_000]),
    volume=st.sampled_from(["", "/data"]),
    host=st.sampled_from([None, LOCAL, HostId("h1"), HostId("h2")]),
    region=st.sampled_from([None, EU, US]),
    variables=st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["1", "2"])),
    checks=st.just(REDIS.checks),
)
declared = st.lists(accessories, unique_by=lambda each: each.name).map(tuple)
present = st.dictionaries(names, st.builds(Present, made_from=st.one_of(st.none(), accessories), is_stopped=st.booleans()))


@given(declared, present)
def test_a_deploy_makes_what_is_declared_and_missing_and_does_nothing_to_any_other(
    declared: tuple[Accessory, ...], present: dict[AccessoryName, Present]
) -> None:
    made = missing(judged(declared, present))
    there = {name for name, each in present.items() if each.made_from is not None}
    assert set(made) == {each.name for each in declared} - there
    assert not set(made) & there


@given(declared, present)
def test_every_one_is_judged_once_and_told_by_its_name_with_what_to_do(
    declared: tuple[Accessory, ...], present: dict[AccessoryName, Present]
) -> None:
    judgements = judged(declared, present)
    assert sorted(each.name for each in judgements) == sorted({*present, *(each.name for each in declared)})
    for each in judgements:
        assert each.name in each.reason
        assert (each.condition in (Condition.MISSING, Condition.AS_DECLARED)) or "`mooring accessory " in each.reason


@given(declared, st.booleans())
def test_what_runs_as_it_is_declared_is_left_alone_and_what_was_stopped_stays_stopped(
    declared: tuple[Accessory, ...], is_stopped: bool
) -> None:
    judgements = judged(declared, {each.name: Present(made_from=each, is_stopped=is_stopped) for each in declared})
    assert {each.condition for each in judgements} <= {Condition.STOPPED if is_stopped else Condition.AS_DECLARED}


@given(accessories, accessories)
def test_two_declarations_differ_in_words_exactly_when_they_differ(one: Accessory, other: Accessory) -> None:
    same_name = msgspec.structs.replace(other, name=one.name)
    assert bool(differences(one, same_name)) == (one != same_name)


def test_every_field_of_a_declaration_is_told_when_it_changes() -> None:
    changed = {"image": "redis:7", "command": "other", "port": 1, "volume": "/data", "host": HostId("h1"), "region": EU, "memory": 1}
    changed |= {"variables": {"A": "1"}, "secrets": ("B",), "url": "redis://", "stop_signal": "INT", "kill_timeout": 1.0}
    changed |= {"checks": Checks(startup=Check(interval=9.0), readiness=Check())}
    assert {*changed, "name"} == set(REDIS.__struct_fields__)
    for field, value in changed.items():
        assert differences(REDIS, msgspec.structs.replace(REDIS, **{field: value})), field


def test_a_variable_that_changes_is_told_by_its_name_alone() -> None:
    before, after = (msgspec.structs.replace(REDIS, variables={"KEY": value}) for value in ("hush", "mum"))
    assert differences(before, after) == ("KEY",)


def host(name: str, *, region: RegionName = EU, runtime: HostRuntime = HostRuntime.SYSTEMD, is_draining: bool = False) -> Host:
    return Host(name=HostId(name), address=HostAddress("root", name), runtime=runtime, region=region, is_draining=is_draining)


hosts_drawn = st.lists(
    st.builds(
        host,
        st.sampled_from(["h1", "h2", "h3", "h4"]),
        region=st.sampled_from([EU, US]),
        runtime=st.sampled_from([HostRuntime.SYSTEMD, HostRuntime.DOCKER]),
        is_draining=st.booleans(),
    ),
    unique_by=lambda each: each.name,
    min_size=1,
)


@given(
    accessories,
    hosts_drawn,
    st.sampled_from([None, LOCAL, "h1", "h2", "h3"]),
    st.dictionaries(st.sampled_from(["h1", "h2"]), st.integers(0, 9)),
)
def test_it_runs_where_it_can_and_what_keeps_a_volume_never_leaves_it_behind(
    accessory: Accessory, hosts: list[Host], before: HostId | None, load: dict[HostId, int]
) -> None:
    accessory = msgspec.structs.replace(accessory, region=None) if accessory.host else accessory  # a manifest names one of them
    try:
        chosen = host_of(accessory, hosts, beside=hosts[0].name, before=before, load=load)
    except InvalidInput:
        return
    name = chosen.name if chosen else LOCAL
    assert (chosen is not None and chosen.runtime is HostRuntime.DOCKER) == bool(accessory.image)
    assert accessory.host in (None, name)
    assert accessory.host is not None or accessory.region is None or (chosen is not None and chosen.region == accessory.region)
    if before is not None and (accessory.volume or not accessory.image):
        assert name == before
    if before is None and accessory.host is None and accessory.region is not None:
        fit = [each for each in hosts if each.region == accessory.region and not each.is_draining]
        fit = [each for each in fit if (each.runtime is HostRuntime.DOCKER) == bool(accessory.image)]
        assert load.get(name, 0) == min(load.get(each.name, 0) for each in fit)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": HostId("h9")}, "there is no host h9"),
        ({"region": US}, "region us has no host that can run it"),
        ({"host": HostId("h2")}, "h2 runs docker, and this needs systemd"),
        ({"image": "redis:7", "host": HostId("h1")}, "h1 runs systemd, and this needs a container engine"),
        ({"image": "redis:7", "host": LOCAL}, "an image runs in a container engine, and the controller's own machine runs processes"),
    ],
)
def test_where_it_cannot_run_is_said_with_what_to_do(changes: dict[str, object], said: str) -> None:
    accessory = msgspec.structs.replace(REDIS, **changes)
    with pytest.raises(InvalidInput) as caught:
        host_of(accessory, [host("h1"), host("h2", runtime=HostRuntime.DOCKER)], beside=LOCAL, before=None, load={})
    assert caught.value.message == said
    assert caught.value.where == "accessories.redis"
    assert caught.value.hint


def test_on_a_host_that_is_gone_it_is_not_taken_for_one_on_the_controllers_machine() -> None:
    with pytest.raises(InvalidInput, match="accessory redis ran on h3, which is no host any more"):
        host_of(msgspec.structs.replace(REDIS, region=None, host=None), [host("h1")], beside=LOCAL, before=HostId("h3"), load={})


def test_a_volume_is_not_left_behind_on_another_host() -> None:
    moved = msgspec.structs.replace(REDIS, host=HostId("h1"))
    with pytest.raises(InvalidInput, match="accessory redis is on h2, with its volume, and is declared for h1"):
        host_of(moved, [host("h1"), host("h2")], beside=LOCAL, before=HostId("h2"), load={})


@pytest.mark.parametrize(
    ("place", "hosts", "is_cut_off"),
    [
        (("local", "127.0.0.1"), ["local"], False),
        (("local", "127.0.0.1"), ["h1"], True),
        (("h1", "127.0.0.1"), ["h1"], False),
        (("h1", "127.0.0.1"), ["h1", "h2"], True),
        (("h1", "10.0.0.1"), ["h1", "h2", "local"], False),
        (("box", "127.0.0.1"), ["box"], True),
        (("box", "10.0.0.1"), ["box"], False),
    ],
)
def test_an_app_has_to_reach_it_and_in_a_container_loopback_is_another(place: tuple[str, str], hosts: list[str], is_cut_off: bool) -> None:
    where = Place(host=HostId(place[0]), address=place[1], port=1)
    runtimes = {HostId("h1"): HostRuntime.SYSTEMD, HostId("h2"): HostRuntime.SYSTEMD, HostId("box"): HostRuntime.DOCKER}
    try:
        check_reachable(REDIS.name, where, [HostId(name) for name in hosts], runtimes)
    except InvalidInput as error:
        assert is_cut_off
        assert "listens on the loopback of" in error.message
        assert error.hint
    else:
        assert not is_cut_off


@given(accessories, st.one_of(st.none(), hosts_drawn.map(lambda hosts: hosts[0])), st.dictionaries(names, st.integers(0, 3)))
def test_its_release_is_one_single_process_type_without_a_route_on_one_host(
    accessory: Accessory, where: Host | None, counts: dict[AccessoryName, int]
) -> None:
    artifact = Artifact(id=ArtifactId("a"), builder="image", reason="", directory="/a", size=1, processes={"web": "serve"})
    release = release_of(accessory, CACHE, number=1, artifact=artifact, host=where, config_version=0, at=0.0)
    [process] = release.processes
    assert (process.is_single, process.is_routed, process.listens) == (True, False, True)
    assert process.command == (accessory.command or "serve")
    assert release.hostnames == ()
    assert release.accessories == (accessory,)
    placed = pinned(release, {ProcessName(name): count for name, count in counts.items()})
    assert sum(len(hosts) for hosts in placed.values()) <= 1
    assert {each for hosts in placed.values() for each in hosts} <= ({where.name} if where else set())


@given(st.text(), st.dictionaries(st.sampled_from(["address", "port", "KEY"]), st.text(max_size=9), min_size=3))
def test_an_address_is_filled_in_so_that_no_secret_can_change_its_shape(before: str, words: dict[str, str]) -> None:
    before = before.replace("{", "").replace("}", "")
    filled = filled_in(f"{before}{{KEY}}@{{address}}:{{port}}/0", words)
    assert blanks(filled) == ()
    tail = filled.removeprefix(before)
    assert tail.endswith("/0")
    assert tail.count("@") == 1
    assert "/" not in tail[:-2]


def test_nobody_can_give_an_environment_an_accessorys_name() -> None:
    assert str(CACHE) == "shop/production.redis"
    assert (CACHE.home, CACHE.accessory) == (EnvironmentId.parse("shop"), "redis")
    assert EnvironmentId.parse(str(CACHE)) == CACHE
    assert CACHE.slug == "shop--production.redis"
    assert CACHE.home.accessory is None
