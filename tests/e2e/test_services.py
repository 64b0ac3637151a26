"""Real apps on PostgreSQL, on MariaDB with Redis, on SQLite, on a bucket: a piece for each environment, rotated, copied for a branch."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from e2e.platform import App, Platform, Traffic, eventually
from services.mariadb import MariadbRig, mariadb
from services.postgres import PostgresRig, postgres
from services.redis import RedisRig, redis
from services.seaweed import SeaweedRig, seaweed

from mooring.model.secret import Secret

DATABASES = "SELECT datname FROM pg_database WHERE datname LIKE 'm\\_%'"
FILED = """
[services.db]
type = "sqlite"

[review]
access = "open"

[review.services.db]
from = "production"
mask = "UPDATE entries SET text = 'masked'"
mask_command = "python3 mask.py"
"""
MASK_FILE = """
import os, sqlite3

with sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///")) as connection:
    connection.execute("UPDATE entries SET text = text || ' twice'")
"""
ENTER = """
import os, sqlite3

with sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///")) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS entries (text TEXT)")
    connection.execute("INSERT INTO entries VALUES ('real')")
"""
SHARED = """
[services.db]
type = "mysql"

[services.cache]
type = "redis"

[review]
access = "open"

[review.services.db]
from = "production"
mask = "UPDATE entries SET text = 'masked'"

[review.services.cache]
from = "production"
mask = "for _, key in ipairs(KEYS) do redis.call('SET', key, 100) end"
"""
COUNT_ENTRIES = """
import os, subprocess
from urllib.parse import unquote, urlsplit

SQL = "CREATE TABLE IF NOT EXISTS entries (text varchar(20)); INSERT INTO entries VALUES ('real')"
url = urlsplit(os.environ["DATABASE_URL"])
argv = ["mariadb", "--no-defaults", f"--host={url.hostname}", f"--port={url.port}", f"--user={url.username}", url.path[1:], "-e", SQL]
subprocess.run(argv, env={**os.environ, "MYSQL_PWD": unquote(url.password)}, check=True)
"""
COUNT_KEYS = """
import os, socket
from urllib.parse import unquote, urlsplit

url = urlsplit(os.environ["REDIS_URL"])
with socket.create_connection((url.hostname, url.port)) as connection, connection.makefile("rb") as answers:
    for line in (f"AUTH {url.username} {unquote(url.password)}", f"INCR {os.environ['REDIS_PREFIX']}releases"):
        connection.sendall(line.encode() + b"\\r\\n")
        said = answers.readline()
        assert said[:1] in b"+:", said
print(said[1:].decode().strip())
"""
ACCESSORY = """
[accessories.redis]
command = '''
[ -s users.acl ] || echo "user default on >$ADMIN_PASSWORD ~* &* +@all" > users.acl
exec redis-server --bind $HOST --port $PORT --dir $VOLUME --aclfile $VOLUME/users.acl --sanitize-dump-payload clients
'''
secrets = ["ADMIN_PASSWORD"]
url = "redis://default:{ADMIN_PASSWORD}@{address}:{port}"
"""
UPLOADING = """
[services.files]
type = "bucket"
prefix = "AWS"

[review]
access = "open"

[review.services.files]
from = "production"
mask = "- uploads/*"
"""
UPLOAD = """
import os

from botocore.session import Session

s3, prefix = Session().create_client("s3", region_name=os.environ["AWS_REGION"]), os.environ["AWS_PREFIX"]
for name in ("uploads/anna.jpg", "logo.png"):
    if not s3.list_objects_v2(Bucket=os.environ["AWS_BUCKET"], Prefix=prefix + "logo.png").get("KeyCount"):
        s3.put_object(Bucket=os.environ["AWS_BUCKET"], Key=prefix + name, Body=b"1")
"""
MASKED = """
[services.db]
type = "postgres"

[review]
access = "open"

[review.services.db]
from = "template"
mask_command = "python mask.py"
"""
MASK = """
import os, sys, psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("UPDATE entries SET text = 'masked'")
sys.exit("the names of people are still to be masked")
"""
SEE = """
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("DROP TABLE IF EXISTS seen")
    connection.execute("CREATE TABLE seen AS SELECT text FROM entries")
"""
ROLES = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'm\\_%'"


@pytest.fixture(scope="module")
def rig() -> Iterator[PostgresRig]:
    with postgres() as (port, log):
        root = Secret(f"postgresql://postgres:root@127.0.0.1:{port}/postgres")
        yield PostgresRig(root, root, log)


@pytest.fixture(scope="module")
def app(platform: Platform, rig: PostgresRig) -> App:
    app = platform.app("guestbook")
    added = app.mooring("service", "add-server", "main", "--type", "postgres", stdin=rig.admin.reveal())
    assert added.code == 0, added
    return app


def there(rig: PostgresRig, asked: str, **where: str) -> set[str]:
    """The words that the server answers."""
    return {str(word) for (word,) in asyncio.run(rig.ask(asked, **where))}


def write(app: App, text: str, **headers: str) -> None:
    status, body, _ = app.send("POST", "/entries", text.encode(), headers=headers)
    assert status == 201, body


def read(app: App, **headers: str) -> list[str]:
    status, body, _ = app.get("/entries", headers=headers)
    assert status == 200, body
    return json.loads(body)


def host_of(app: App, environment: str) -> dict[str, str]:
    """The header that means it."""
    found = app.mooring("status", "--json").json["environments"]
    (summary,) = [each for each in found if each["environment"]["environment"] == environment]
    return {"Host": summary["urls"][0].removeprefix("http://")}


def test_an_app_has_its_own_database_whose_password_changes_under_traffic_and_that_outlives_it(rig: PostgresRig, app: App) -> None:
    planned = app.mooring("plan").out
    assert "db" in planned and "is to have one and has none yet" in planned, planned
    answer = app.deploy()
    assert answer.code == 0, answer
    write(app, "first")
    (database,) = there(rig, DATABASES)
    assert there(rig, ROLES) == {database, f"{database}_1"}

    with Traffic(app, rate=100) as traffic:
        answer = app.mooring("service", "rotate", "db")
    assert answer.code == 0, answer.out + answer.err
    report = traffic.report
    assert report["failed"] == 0, str(report["failures"][:5])
    assert report["sent"] > 100
    assert int(app.get("/visits")[1]) >= report["ok"], "each answered visit was written"
    eventually(lambda: there(rig, ROLES) == {database, f"{database}_2"})  # the old login goes a moment after the deployment has ended
    assert there(rig, f"SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = '{database}'") == {f"{database}_2"}

    answer = app.mooring("destroy", "--confirm", app.name)
    assert answer.code == 0, answer
    assert there(rig, DATABASES) == {database}
    answer = app.deploy()
    assert answer.code == 0, answer
    assert read(app) == ["first"], "the database was kept"
    answer = app.mooring("destroy", "--services", "--confirm", app.name)
    assert answer.code == 0, answer
    assert there(rig, DATABASES) | there(rig, ROLES) == set()


def test_a_branch_begins_with_a_copy_of_the_template_and_takes_database_and_roles_with_it(rig: PostgresRig, app: App) -> None:
    answer = app.deploy("-e", "template")
    assert answer.code == 0, answer
    write(app, "sanitised", **host_of(app, "template"))
    answer = app.mooring("destroy", "-e", "template", "--confirm", f"{app.name}/template")
    assert answer.code == 0, answer
    before = there(rig, DATABASES), there(rig, ROLES)

    app.git("switch", "--quiet", "-C", "feature/database")
    answer = app.mooring("review", "up")
    assert answer.code == 0, answer
    (found,) = app.mooring("review", "ls", "--json").json["reviews"]
    header = host_of(app, found["summary"]["environment"]["environment"])
    assert read(app, **header) == ["sanitised", "seeded"]
    write(app, "of the branch", **header)
    (template,) = before[0]
    assert there(rig, "SELECT text FROM entries", database=template) == {"sanitised"}, "what the branch writes is its own"
    (mine,) = there(rig, DATABASES) - before[0]
    assert there(rig, ROLES) - before[1] == {mine, f"{mine}_1"}

    answer = app.mooring("review", "down", "feature/database")
    assert answer.code == 0, answer
    for kind in ("service", "database", "role"):
        assert f"✓ {kind}: gone" in answer.out, answer
    assert (there(rig, DATABASES), there(rig, ROLES)) == before, "and nothing else was touched"


@pytest.mark.usefixtures("app")  # which has added the server
def test_a_command_of_the_apps_masks_a_copy_before_anything_else_of_the_release_and_where_it_fails_there_is_none(
    platform: Platform, rig: PostgresRig
) -> None:
    app = platform.app("guestbook", "masked")
    app.write("mooring.toml", MASKED)
    app.write("migrate.py", (app.path / "migrate.py").read_text() + SEE)
    app.commit("with a command that masks")
    answer = app.deploy("-e", "template")
    assert answer.code == 0, answer
    write(app, "real", **host_of(app, "template"))
    answer = app.mooring("destroy", "-e", "template", "--confirm", f"{app.name}/template")
    assert answer.code == 0, answer
    before = there(rig, DATABASES), there(rig, ROLES)

    app.git("switch", "--quiet", "-C", "masked")
    app.write("mask.py", MASK)
    app.commit("it fails when half of it is done")
    answer = app.mooring("review", "up")
    assert answer.code == 1 and "the mask command of db ended with exit code 1" in answer.out + answer.err, answer
    assert "the names of people are still to be masked" in answer.out + answer.err, answer
    assert (there(rig, DATABASES), there(rig, ROLES)) == before, "no copy is left"

    app.write("mask.py", MASK.rpartition("sys.exit")[0])
    app.commit("it masks them")
    answer = app.mooring("review", "up")
    assert answer.code == 0 and "masked by `python mask.py`" in answer.out, answer
    (found,) = [each for each in app.mooring("review", "ls", "--json").json["reviews"] if each["branch"] == "masked"]
    assert read(app, **host_of(app, found["summary"]["environment"]["environment"])) == ["masked"]
    (mine,) = there(rig, DATABASES) - before[0]
    assert there(rig, "SELECT text FROM seen", database=mine) == {"masked"}, "what the release command saw"

    answer = app.mooring("review", "down", "masked")
    assert answer.code == 0, answer
    assert (there(rig, DATABASES), there(rig, ROLES)) == before
    answer = app.mooring("service", "rm", "db", "-e", "template", "--confirm", f"{app.name}/template/db")
    assert answer.code == 0, answer


def test_a_file_outlives_releases_and_a_branch_has_a_masked_copy_of_it(platform: Platform) -> None:
    root = platform.directory / "databases"
    root.mkdir(mode=0o700)
    app = platform.app("procfile-only", "filed")
    app.write("mooring.toml", FILED)
    app.write("enter.py", ENTER)
    app.write("mask.py", MASK_FILE)
    app.write("Procfile", f"release: python3 enter.py\n{(app.path / 'Procfile').read_text()}")
    app.commit("with a file")
    added = app.mooring("service", "add-server", "disk", "--type", "sqlite", stdin=f"sqlite:///{root}")
    assert added.code == 0, added
    for number in (1, 2):
        app.release(number)
        answer = app.deploy()
        assert answer.code == 0, answer
    (file,) = root.glob("*/database.sqlite3")
    assert entries(file) == ["real", "real"], "one of each release"

    app.git("switch", "--quiet", "-C", "filed")
    answer = app.mooring("review", "up")
    assert answer.code == 0, answer
    (copy,) = set(root.glob("*/database.sqlite3")) - {file}
    assert entries(copy) == ["masked twice", "masked twice", "real"], "and one of its own"
    answer = app.mooring("review", "down", "filed")
    assert answer.code == 0 and "✓ directory: gone" in answer.out, answer
    assert [path.name for path in root.iterdir()] == [file.parent.name]
    assert entries(file) == ["real", "real"]


def test_a_database_of_mariadb_and_keys_of_redis_outlive_releases_and_a_branch_has_masked_copies(platform: Platform) -> None:
    with mariadb() as (port, log), redis() as (cache, place):
        sql = MariadbRig(Secret(f"mysql://maker:maker@127.0.0.1:{port}"), Secret(f"mysql://chief:chief@127.0.0.1:{port}/"), log)
        keys = RedisRig(Secret(f"redis://chief:chief@127.0.0.1:{cache}"), place)
        app = platform.app("procfile-only", "shared")
        app.write("mooring.toml", SHARED)
        app.write("count.py", COUNT_ENTRIES + COUNT_KEYS)
        app.write("Procfile", f"release: python3 count.py\n{(app.path / 'Procfile').read_text()}")
        app.commit("with a database and a cache")
        for name, rig in (("mysql", sql), ("redis", keys)):
            added = app.mooring("service", "add-server", name, "--type", name, stdin=rig.admin.reveal())
            assert added.code == 0, added
        for number in (1, 2):
            app.release(number)
            answer = app.deploy()
            assert answer.code == 0, answer
        assert (written(sql), counted(keys)) == ([["real", "real"]], ["2"])
        answer = app.mooring("service", "rotate", "cache")
        assert answer.code == 0, answer

        app.git("switch", "--quiet", "-C", "shared")
        answer = app.mooring("review", "up")
        assert answer.code == 0, answer
        assert (written(sql), counted(keys)) == ([["masked", "masked", "real"], ["real", "real"]], ["101", "2"])
        answer = app.mooring("review", "down", "shared")
        assert answer.code == 0 and all(f"✓ {what}: gone" in answer.out for what in ("database", "login", "prefix")), answer
        assert (written(sql), counted(keys)) == ([["real", "real"]], ["2"])
        answer = app.mooring("destroy", "--services", "--confirm", "shared/production")
        assert answer.code == 0, answer
        assert (written(sql), counted(keys)) == ([], [])
        for name in ("mysql", "redis"):
            answer = app.mooring("service", "rm-server", name)
            assert answer.code == 0, answer


def test_keys_come_from_an_accessory_that_mooring_runs(platform: Platform) -> None:
    data = platform.app("procfile-only", "data")
    data.write("mooring.toml", ACCESSORY)
    data.commit("with a server for others")
    answer = data.deploy()
    assert answer.code == 0, answer
    app = platform.app("procfile-only", "cached")
    app.write("mooring.toml", '[services.cache]\ntype = "redis"\n')
    app.write("count.py", COUNT_KEYS)
    app.write("Procfile", f"release: python3 count.py\n{(app.path / 'Procfile').read_text()}")
    app.commit("with a cache")
    added = app.mooring("service", "add-server", "cache", "--type", "redis", "--accessory", "data/production.redis")
    assert added.code == 0, added
    for number in (1, 2):
        app.release(number)
        answer = app.deploy()
        assert answer.code == 0, answer
    answer = app.mooring("run", "python3", "count.py")
    assert (answer.code, answer.out.strip()) == (0, "3"), answer
    answer = data.mooring("destroy", "--confirm", "data/production")
    assert answer.code == 2 and "cached/production/cache come from data/production.redis" in answer.err, answer
    for words in (("destroy", "--services", "--confirm", "cached/production"), ("service", "rm-server", "cache")):
        answer = app.mooring(*words)
        assert answer.code == 0, answer
    answer = data.mooring("destroy", "--confirm", "data/production")
    assert answer.code == 0, answer


def written(rig: MariadbRig) -> list[list[str]]:
    """What stands in each database."""
    found = [str(name) for (name,) in rig.ask("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'm\\_%%'")]
    return sorted(sorted(str(text) for (text,) in rig.ask(f"SELECT text FROM {name}.entries")) for name in found)


def counted(rig: RedisRig) -> list[str]:
    return sorted(str(rig.root.get(key)) for key in rig.root.keys("m_*"))


def entries(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM entries ORDER BY text")]


def test_an_app_has_its_uploads_in_a_bucket_a_branch_some_of_them_and_nothing_of_it_is_left(platform: Platform) -> None:
    with seaweed() as admin:
        rig, app = SeaweedRig(admin), platform.app("procfile-only", "uploads")
        app.write("mooring.toml", UPLOADING)
        app.write("upload.py", UPLOAD)
        app.write("Procfile", f"release: {sys.executable} upload.py\n{(app.path / 'Procfile').read_text()}")
        app.commit("with uploads")
        added = app.mooring("service", "add-server", "files", "--type", "bucket", stdin=admin.reveal())
        assert added.code == 0, added
        answer = app.deploy()
        assert answer.code == 0, answer
        assert uploaded(rig) == ["logo.png", "uploads/anna.jpg"]
        (before,) = rig.users().values()
        answer = app.mooring("service", "rotate", "files")
        assert answer.code == 0, answer
        eventually(lambda: len(rig.users()) == 1)  # the login of before ends after the deployment has
        (after,) = rig.users().values()
        assert len(before) == len(after) == 1 and before != after, "one key, another one"

        app.git("switch", "--quiet", "-C", "uploads")
        answer = app.mooring("review", "up")
        assert answer.code == 0, answer
        assert uploaded(rig) == ["logo.png", "logo.png", "uploads/anna.jpg"]
        answer = app.mooring("review", "down", "uploads")
        assert answer.code == 0 and all(f"✓ {what}: gone" in answer.out for what in ("prefix", "login")), answer
        assert uploaded(rig) == ["logo.png", "uploads/anna.jpg"]
        answer = app.mooring("destroy", "--services", "--confirm", "uploads/production")
        assert answer.code == 0, answer
        assert (rig.objects(), rig.users()) == ([], {})
        answer = app.mooring("service", "rm-server", "files")
        assert answer.code == 0, answer


def uploaded(rig: SeaweedRig) -> list[str]:
    """What apps have there, without their prefixes."""
    return sorted(key.partition("/")[2] for key in rig.objects() if not key.startswith(".mooring/"))
