"""Redis as it is: the contract, what a login of one environment can try against another's, and every crash on the way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from services.neighbours import neighbours, url_of
from services.redis import RedisRig, redis
from services.rigs import free_port, place_of

from mooring.drivers.service.contract import ISOLATION
from mooring.drivers.service.redis import session
from mooring.drivers.service.redis.server import RedisServer
from mooring.errors import InvalidInput, MooringError, NotFound, Refused, StaleFence, Unavailable
from mooring.model.host import Weight
from mooring.model.secret import Secret
from mooring.testing.authority import PaperAuthority
from mooring.testing.service_contract import BLOG, CONTROLLER, SHOP, ServiceContract, a_login, a_mark, a_piece


class TestRedis(ServiceContract):
    @pytest.fixture
    def rig(self, redis_rig: RedisRig) -> RedisRig:
        return redis_rig


ATTEMPTS = (
    "GET {others}:entries",
    "HGETALL {others}:entries",
    "SET {others}:a 1",
    "SET elsewhere 1",
    "SET mooring:turn:{mine} 1",
    "DEL {others}:entries",
    "UNLINK {others}:entries",
    "EXISTS {others}:entries",
    "TYPE {others}:entries",
    "RENAME {mine}:a {others}:a",
    "RENAME {others}:entries {mine}:b",
    "COPY {others}:entries {mine}:b",
    "COPY {mine}:a {mine}:b DB 1",
    "MOVE {mine}:a 1",
    "DUMP {others}:entries",
    "RESTORE {mine}:b 0 x",
    "MIGRATE 127.0.0.1 1 {mine}:a 0 1",
    "SORT {mine}:list BY {others}:* GET {others}:*->a",
    "MEMORY USAGE {others}:entries",
    "OBJECT ENCODING {others}:entries",
    "WATCH {others}:entries",
    "KEYS *",
    "SCAN 0",
    "RANDOMKEY",
    "DBSIZE",
    "SELECT 1",
    "SWAPDB 0 1",
    "FLUSHALL",
    "FLUSHDB",
    "CONFIG GET *",
    "CONFIG SET dir /tmp",
    "CONFIG REWRITE",
    "ACL LIST",
    "ACL USERS",
    "ACL GETUSER {others_login}",
    "ACL SETUSER {mine_login} allkeys",
    "ACL DELUSER {others_login}",
    "ACL LOAD",
    "ACL SAVE",
    "ACL LOG",
    "ACL DRYRUN {others_login} GET {others}:entries",
    "AUTH default x",
    "AUTH {others_login} guessed",
    "CLIENT LIST",
    "CLIENT KILL TYPE normal",
    "CLIENT PAUSE 1",
    "CLIENT NO-EVICT on",
    "CLIENT TRACKING on BCAST",
    "MONITOR",
    "DEBUG JMAP",
    "DEBUG SLEEP 0",
    "SHUTDOWN NOSAVE",
    "SAVE",
    "BGSAVE",
    "BGREWRITEAOF",
    "LASTSAVE",
    "REPLICAOF 127.0.0.1 1",
    "PSYNC ? -1",
    "FAILOVER",
    "ROLE",
    "SLOWLOG GET",
    "LATENCY LATEST",
    "MEMORY STATS",
    "MEMORY PURGE",
    "MODULE LIST",
    "MODULE LOAD /tmp/x.so",
    "SCRIPT FLUSH",
    "SCRIPT KILL",
    "FUNCTION LIST",
    "FUNCTION FLUSH",
    "FUNCTION LOAD x",
    "FCALL f 0",
    "PUBSUB CHANNELS",
    "PUBLISH {others}:news 1",
    "PUBLISH news 1",
    "SPUBLISH {others}:news 1",
    "SUBSCRIBE {others}:news",
    "SSUBSCRIBE {others}:news",
    "PSUBSCRIBE *",
    "PSUBSCRIBE {others}:*",
    "PSUBSCRIBE m_*",
    "SUBSCRIBE __keyevent@0__:set",
    "CLUSTER NODES",
)

REFUSED_OTHERWISE = ("AUTH ", "DEBUG ", "MODULE LOAD ", "CLUSTER ")

SCRIPTS = (
    "return redis.call('GET', '{others}:entries')",
    "return redis.call('SET', '{others}:a', '1')",
    "return redis.call('HGETALL', '{others}:entries')",
    "return redis.call('KEYS', '*')",
    "return redis.call('SCAN', '0')",
    "return redis.call('FLUSHALL')",
    "return redis.call('CONFIG', 'GET', '*')",
    "return redis.call('ACL', 'LIST')",
    "return redis.call('SELECT', '1')",
    "return redis.call('PUBLISH', '{others}:news', '1')",
    "return io.open('/etc/passwd'):read()",
    "return os.execute('true')",
    "return loadfile('/etc/passwd')()",
    "redis.call = function() return 'mine' end",
    "string.format = function() return 'mine' end",
    "shared = 1",
)


async def test_a_login_reaches_nothing_but_its_own_keys(redis_rig: RedisRig) -> None:
    mine, others = await neighbours(redis_rig.driver)
    await redis_rig.write(redis_rig.driver.variables(others, a_login(others)), "a", "the others' word")
    names = {"mine": mine.identity, "others": others.identity, "mine_login": a_login(mine).name, "others_login": a_login(others).name}
    url = url_of(redis_rig.driver, mine)
    done = []
    with Redis.from_url(url) as app:
        app.set(f"{mine.identity}:a", "1")
        app.rpush(f"{mine.identity}:list", "1")
        for attempt in ATTEMPTS:
            try:
                app.execute_command(*attempt.format_map(names).split())
            except RedisError as error:
                done += [] if "permission" in str(error) or attempt.startswith(REFUSED_OTHERWISE) else [attempt]
                continue
            done.append(attempt)
        for script in SCRIPTS:
            try:
                app.eval(script.format_map(names), 0)
            except RedisError:
                continue
            done.append(script)
        said = repr(app.execute_command("INFO", "everything"))
    assert done == []
    assert others.identity not in said
    assert await redis_rig.read(redis_rig.driver.variables(others, a_login(others))) == {"a": "the others' word"}
    assert {each.piece for each in await redis_rig.driver.find_owned()} == {mine, others}


async def test_what_apps_and_their_libraries_use_is_allowed(redis_rig: RedisRig) -> None:
    piece = a_piece()
    await redis_rig.driver.provide(a_mark(), piece, a_login(piece))
    variables = redis_rig.driver.variables(piece, a_login(piece))
    prefix = variables["PREFIX"].reveal()
    with Redis.from_url(variables["URL"].reveal(), decode_responses=True) as app, app.pubsub() as news:
        assert app.info("server")["redis_version"]
        app.execute_command("SELECT", "0")
        app.client_setname("web")
        news.subscribe(prefix + "news")
        assert news.get_message(timeout=10)["type"] == "subscribe"
        app.publish(prefix + "news", "hello")
        assert news.get_message(timeout=10)["data"] == "hello"
        assert app.set(prefix + "lock", "1", nx=True, px=60_000)
        assert app.eval("return redis.call('GET', KEYS[1])", 1, prefix + "lock") == "1"
        assert app.pipeline().incr(prefix + "n").expire(prefix + "n", 60).execute() == [1, True]
        app.lpush(prefix + "jobs", "one")
        assert app.brpop([prefix + "jobs"], timeout=10) == (prefix + "jobs", "one")
        app.xadd(prefix + "stream", {"a": "1"})
        assert app.xgroup_create(prefix + "stream", "workers", id="0")
        assert app.zadd(prefix + "scores", {"anna": 1})
        assert [key for key, _ in app.zscan_iter(prefix + "scores")] == ["anna"]


async def test_passwords_are_kept_as_digests_and_accounts_outlive_a_restart(redis_rig: RedisRig) -> None:
    piece = a_piece()
    await redis_rig.driver.provide(a_mark(), piece, a_login(piece, 1, "sesame-one"))
    await redis_rig.driver.admit(a_mark(), piece, a_login(piece, 2, "sesame-two"))
    kept = redis_rig.place.read_text()
    assert a_login(piece, 2).name in kept and "sesame" not in kept
    redis_rig.root.execute_command("ACL LOAD")
    with Redis.from_url(redis_rig.driver.variables(piece, a_login(piece, 2, "sesame-two"))["URL"].reveal()) as app:
        assert app.ping()


async def test_a_withdrawn_logins_connections_end(redis_rig: RedisRig) -> None:
    piece = a_piece()
    await redis_rig.driver.provide(a_mark(), piece, a_login(piece))
    with Redis.from_url(redis_rig.driver.variables(piece, a_login(piece))["URL"].reveal()) as app:
        app.ping()
        await redis_rig.driver.admit(a_mark(), piece, a_login(piece, 2, "second"))
        await redis_rig.driver.withdraw(a_mark(), piece, keep=a_login(piece, 2).name)
        with pytest.raises(RedisError):
            app.ping()
    assert [each.name for each in await redis_rig.driver.find_owned()] == [piece.identity, a_login(piece, 2).name]


async def test_every_kind_of_key_is_copied_dumped_and_brought_back_with_its_expiry(redis_rig: RedisRig, tmp_path: Path) -> None:
    piece, copy = a_piece(), a_piece(BLOG)
    driver = redis_rig.driver
    await driver.provide(a_mark(), piece, a_login(piece))
    with Redis.from_url(driver.variables(piece, a_login(piece))["URL"].reveal(), decode_responses=True) as app:
        _fill(app, f"{piece.identity}:")
        await driver.dump(piece, a_login(piece), tmp_path / "dump")
        app.delete(f"{piece.identity}:string", f"{piece.identity}:stream")
        app.set(f"{piece.identity}:later", "stays")
        await driver.restore(a_mark(), piece, a_login(piece), tmp_path / "dump")
        _check(app, f"{piece.identity}:")
        assert app.get(f"{piece.identity}:later") == "stays"
    await driver.clone(a_mark(BLOG), copy, a_login(copy), source=piece, mask="")
    await driver.remove(a_mark(), piece)
    with Redis.from_url(driver.variables(copy, a_login(copy))["URL"].reveal(), decode_responses=True) as app:
        _check(app, f"{copy.identity}:")
    await driver.remove(a_mark(BLOG), copy)
    assert redis_rig.root.keys("m_*") == []


def _fill(app: Redis, prefix: str) -> None:
    app.set(prefix + "string", b"\x00\xff\n", ex=5_000)
    app.rpush(prefix + "list", *range(1_000))
    app.sadd(prefix + "set", "a", "b")
    app.zadd(prefix + "zset", {"a": 1.5})
    app.hset(prefix + "hash", "a", "1")
    app.xadd(prefix + "stream", {"a": "1"}, id="1-1")
    app.xgroup_create(prefix + "stream", "workers", id="0")
    for number in range(1_200):
        app.set(f"{prefix}many:{number}", number)


def _check(app: Redis, prefix: str) -> None:
    assert app.strlen(prefix + "string") == 3 and 4_000 < app.ttl(prefix + "string") <= 5_000
    assert app.lrange(prefix + "list", 0, -1) == [str(number) for number in range(1_000)]
    assert app.smembers(prefix + "set") == {"a", "b"}
    assert app.zscore(prefix + "zset", "a") == 1.5
    assert app.hgetall(prefix + "hash") == {"a": "1"}
    assert app.xrange(prefix + "stream") == [("1-1", {"a": "1"})]
    assert [group["name"] for group in app.xinfo_groups(prefix + "stream")] == ["workers"]
    assert app.mget([f"{prefix}many:{number}" for number in range(1_200)]) == [str(number) for number in range(1_200)]
    assert app.ttl(prefix + "many:1") == -1


async def test_a_dump_that_was_cut_or_changed_changes_nothing_and_leaves_nothing(redis_rig: RedisRig, tmp_path: Path) -> None:
    piece = a_piece()
    await redis_rig.driver.provide(a_mark(), piece, a_login(piece))
    variables = redis_rig.driver.variables(piece, a_login(piece))
    await redis_rig.write(variables, "a", "1")
    await redis_rig.driver.dump(piece, a_login(piece), tmp_path / "dump")
    await redis_rig.write(variables, "a", "2")
    whole = (tmp_path / "dump").read_bytes()
    spoilt = [whole[:length] for length in range(0, len(whole), 7)]
    spoilt += [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(0, len(whole), 11)] + [whole + b"x"]
    for number, content in enumerate(spoilt):
        (tmp_path / f"dump-{number}").write_bytes(content)
        with pytest.raises(Unavailable):
            await redis_rig.driver.restore(a_mark(), piece, a_login(piece), tmp_path / f"dump-{number}")
    assert await redis_rig.read(variables) == {"a": "2"}
    assert redis_rig.root.keys("m_*") == [f"{piece.identity}:entries"]
    assert [each.what for each in await redis_rig.driver.find_owned()] == ["prefix", "login"]


async def test_a_crash_between_any_two_commands_ends_in_one_whole_piece_or_nothing_that_lets_in(
    redis_rig: RedisRig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The connection breaks before the n-th command, for every n; then somebody does it again."""
    source, copy = a_piece(), a_piece(BLOG)
    driver = redis_rig.driver
    variables = driver.variables(copy, a_login(copy))
    await driver.provide(a_mark(), source, a_login(source))
    await redis_rig.write(driver.variables(source, a_login(source)), "a", "1")
    await driver.dump(source, a_login(source), tmp_path / "dump")
    mask = "return redis.call('HSET', ARGV[1] .. 'entries', 'a', 'masked')"

    async def cloned() -> None:
        await driver.clone(a_mark(BLOG), copy, a_login(copy), source=source, mask=mask)

    async def removed() -> None:
        await driver.remove(a_mark(BLOG), copy)

    crashes = 0
    for number in range(1, 100):
        if not await _breaks(monkeypatch, number, cloned):
            break
        crashes += 1
        with pytest.raises(RedisError):
            await redis_rig.read(variables)
        await cloned()
        assert await redis_rig.read(variables) == {"a": "masked"}
        await driver.restore(a_mark(BLOG), copy, a_login(copy), tmp_path / "dump")
        assert await redis_rig.read(variables) == {"a": "1"}
        await driver.withdraw(a_mark(BLOG), copy, keep=a_login(copy).name)
        assert [each.what for each in await driver.find_owned() if each.piece == copy] == ["prefix", "login"]
        if await _breaks(monkeypatch, number, removed):
            await removed()
        assert {each.piece for each in await driver.find_owned()} == {source}
        assert redis_rig.root.keys("m_*") == [f"{source.identity}:entries"]
        assert not any(name.startswith(copy.identity) for name in redis_rig.root.acl_users())
    assert crashes > 10


async def test_an_account_or_keys_of_somebody_else_are_not_touched(redis_rig: RedisRig) -> None:
    piece = a_piece()
    for name in (piece.identity, a_login(piece).name):
        redis_rig.root.execute_command("ACL", "SETUSER", name, "on", ">theirs", "~theirs:*", "+get")
        before = redis_rig.root.acl_list()
        with pytest.raises(Refused, match="does not carry the mark"):
            await redis_rig.driver.provide(a_mark(), piece, a_login(piece))
        assert redis_rig.root.acl_list() == before
        redis_rig.root.acl_deluser(name)


async def test_a_mark_that_names_somebody_else_is_not_believed(redis_rig: RedisRig) -> None:
    piece = a_piece()
    await redis_rig.driver.provide(a_mark(), piece, a_login(piece))
    (line,) = [line for line in redis_rig.root.acl_list() if line.startswith(f"user {piece.identity} ")]
    redis_rig.root.execute_command("ACL", "SETUSER", "payroll", line[line.index("(") : line.index(" resetchannels -@all)")] + ")")
    assert "payroll" not in {each.name for each in await redis_rig.driver.find_owned()}
    redis_rig.root.acl_deluser("payroll")


async def test_a_step_that_another_one_came_between_is_decided_anew(redis_rig: RedisRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer controller acts between an older one's look and its act: then the older one does nothing."""
    piece = a_piece()
    driver, newer = redis_rig.driver, RedisServer(redis_rig.admin, controller=CONTROLLER)
    await driver.provide(a_mark(), piece, a_login(piece))
    ask, came = session.Connection.ask, []

    async def asked(self: session.Connection, *words: str | bytes | int) -> object:
        answer = await ask(self, *words)
        if words == ("ACL", "LIST") and len(came) < 3:  # two looks before the step begins, and the one in it
            came.append(words)
            if len(came) == 3:
                await newer.admit(a_mark(fence=9), piece, a_login(piece, 2, "second"))
        return answer

    monkeypatch.setattr(session.Connection, "ask", asked)
    with pytest.raises(StaleFence):
        await driver.admit(a_mark(fence=3), piece, a_login(piece, 3, "third"))
    assert len(came) == 3
    assert [each.name for each in await newer.find_owned()] == [piece.identity, a_login(piece).name, a_login(piece, 2).name]


async def test_a_mask_has_no_more_rights_than_the_app_and_without_a_source_there_is_no_copy(redis_rig: RedisRig) -> None:
    source, copy = a_piece(), a_piece(BLOG)
    await redis_rig.driver.provide(a_mark(), source, a_login(source))
    await redis_rig.write(redis_rig.driver.variables(source, a_login(source)), "a", "1")
    for mask in ("redis.call('FLUSHALL')", f"redis.call('DEL', '{source.identity}:entries')", "redis.call('ACL', 'LIST')"):
        with pytest.raises(MooringError):
            await redis_rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=source, mask=mask)
    assert redis_rig.root.keys("m_*") == [f"{source.identity}:entries"]
    with pytest.raises(NotFound):
        await redis_rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=a_piece(SHOP, "x"), mask="")


async def test_what_is_not_good_about_a_server_is_found(redis_rig: RedisRig) -> None:
    assert (await redis_rig.driver.inspect()).findings == ()
    redis_rig.root.execute_command("ACL", "SETUSER", "open", "on", "nopass", "~*", "+@all")
    redis_rig.root.execute_command("CONFIG", "SET", "sanitize-dump-payload", "no")
    found = (await redis_rig.driver.inspect()).findings
    assert [(each.subject, each.weight) for each in found] == [("dumps", Weight.WARNING), (ISOLATION, Weight.FAULT)]
    redis_rig.root.execute_command("CONFIG", "SET", "sanitize-dump-payload", "clients")
    redis_rig.root.execute_command("ACL", "SETUSER", "little", "on", ">little", "+@all", "-acl", "~*")
    (finding,) = (
        await RedisServer(Secret(redis_rig.admin.reveal().replace("chief:chief", "little:little")), controller="c").inspect()
    ).findings
    assert finding.subject == "rights"
    redis_rig.root.acl_deluser("open", "little")


async def test_with_tls_the_servers_certificate_is_checked() -> None:
    authority, others = PaperAuthority(), PaperAuthority("Another")
    leaf = authority.issue(["localhost"], starts_at=0, expires_at=4e9)
    with place_of("redis") as (place, _):
        place.chmod(0o755)
        for name, content in (("cert", leaf.chain), ("key", leaf.key.reveal()), ("ca", authority.root), ("others", others.root)):
            (place / name).write_text(content)
            (place / name).chmod(0o644)
        tls = [
            "--tls-cert-file",
            place / "cert",
            "--tls-key-file",
            place / "key",
            "--tls-ca-cert-file",
            place / "ca",
            "--tls-auth-clients",
            "no",
        ]
        with redis("--tls-port", str(port := free_port()), *map(str, tls)):
            url, piece = f"rediss://chief:chief@localhost:{port}?ssl_ca_certs={place}", a_piece()
            driver = RedisServer(Secret(f"{url}/ca"), controller=CONTROLLER)
            await driver.provide(a_mark(), piece, a_login(piece))
            with Redis.from_url(driver.variables(piece, a_login(piece))["URL"].reveal()) as app:
                assert app.ping()
            with pytest.raises(Unavailable, match="certificate"):
                await RedisServer(Secret(f"{url}/others"), controller=CONTROLLER).inspect()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "postgresql://a@b/c",
        "redis://[",
        "redis:///0",
        "redis://a@h/1",
        "redis://h?ssl_ca_certs=/f",
        "rediss://h?ssl_cert_reqs=none",
        "redis://h:port",
    ],
)
def test_what_is_no_address_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(InvalidInput, match="no address of a Redis server") as caught:
        RedisServer(Secret(address), controller="c")
    assert not address or address not in str(caught.value)


async def test_a_server_that_does_not_answer_is_unavailable_and_shows_no_password() -> None:
    with pytest.raises(Unavailable) as caught:
        await RedisServer(Secret("redis://admin:sesame@127.0.0.1:1"), controller="c").inspect()
    assert "127.0.0.1:1" in str(caught.value) and "sesame" not in str(caught.value)


class _Crash(BaseException):
    """The controller's process is gone."""


async def _breaks(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], Awaitable[None]]) -> bool:
    """Whether the `number`-th command came: it is not sent any more, nor is any after it."""
    count = 0

    def counting(send: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def counted(self: session.Connection, *words: object) -> object:
            nonlocal count
            count += 1
            if count >= number:
                raise _Crash
            return await send(self, *words)

        return counted

    for name in ("ask", "each", "whole", "together"):
        monkeypatch.setattr(session.Connection, name, counting(getattr(session.Connection, name)))
    try:
        await act()
    except _Crash:
        return True
    finally:
        monkeypatch.undo()
    return False
