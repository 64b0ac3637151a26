"""A bucket as SeaweedFS keeps one: the contract, what a login of one environment can try against another's, and every crash on the way."""

from __future__ import annotations

import http.client
import json
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import BaseClient
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectionClosedError
from services.rigs import free_port
from services.seaweed import BUCKET, SeaweedRig

from mooring.drivers.service.bucket import objects
from mooring.drivers.service.bucket.server import BucketServer
from mooring.drivers.service.bucket.session import halves
from mooring.drivers.service.contract import ISOLATION, Login
from mooring.errors import InvalidInput, MooringError, NotFound, Refused, Unavailable
from mooring.model.host import Weight
from mooring.model.secret import Secret
from mooring.model.service import Piece
from mooring.testing.service_contract import BLOG, CONTROLLER, SHOP, ServiceContract, a_login, a_mark, a_piece


class TestBucket(ServiceContract):
    @pytest.fixture
    def rig(self, seaweed_rig: SeaweedRig) -> SeaweedRig:
        return seaweed_rig


async def _provided(rig: SeaweedRig, piece: Piece) -> Login:
    login = await rig.driver.provide(a_mark(piece.environment), piece, a_login(piece))
    assert login is not None
    return login


# what a login can try

Attempt = Callable[[Any, str, str], object]
"""A client with the login's key, the prefix of its own and another's key."""

ON_OBJECTS: dict[str, Attempt] = {
    "read": lambda s3, mine, key: s3.get_object(Bucket=BUCKET, Key=key),
    "head": lambda s3, mine, key: s3.head_object(Bucket=BUCKET, Key=key),
    "write": lambda s3, mine, key: s3.put_object(Bucket=BUCKET, Key=key, Body=b"stolen"),
    "delete": lambda s3, mine, key: s3.delete_object(Bucket=BUCKET, Key=key),
    "copy from": lambda s3, mine, key: s3.copy_object(Bucket=BUCKET, Key=f"{mine}stolen", CopySource={"Bucket": BUCKET, "Key": key}),
    "copy from, encoded": lambda s3, mine, key: s3.copy_object(
        Bucket=BUCKET, Key=f"{mine}stolen", CopySource=f"{BUCKET}/{mine}%2e%2e/{key}"
    ),
    "copy to": lambda s3, mine, key: s3.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": f"{mine}own"}),
    "upload in parts": lambda s3, mine, key: s3.create_multipart_upload(Bucket=BUCKET, Key=key),
    "part copied from": lambda s3, mine, key: s3.upload_part_copy(
        Bucket=BUCKET,
        Key=f"{mine}parts",
        PartNumber=1,
        CopySource={"Bucket": BUCKET, "Key": key},
        UploadId=s3.create_multipart_upload(Bucket=BUCKET, Key=f"{mine}parts")["UploadId"],
    ),
    "access list": lambda s3, mine, key: s3.get_object_acl(Bucket=BUCKET, Key=key),
    "open to all": lambda s3, mine, key: s3.put_object_acl(Bucket=BUCKET, Key=key, ACL="public-read"),
    "tags": lambda s3, mine, key: s3.get_object_tagging(Bucket=BUCKET, Key=key),
    "tag": lambda s3, mine, key: s3.put_object_tagging(Bucket=BUCKET, Key=key, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
}
OPEN = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{BUCKET}/*"}],
}
ON_THE_BUCKET: dict[str, dict[str, object]] = {
    "list_objects_v2": {},
    "list_objects": {},
    "list_object_versions": {},
    "list_multipart_uploads": {},
    "head_bucket": {},
    "delete_bucket": {},
    "get_bucket_policy": {},
    "put_bucket_policy": {"Policy": json.dumps(OPEN)},
    "delete_bucket_policy": {},
    "get_bucket_acl": {},
    "put_bucket_acl": {"ACL": "public-read-write"},
    "get_bucket_cors": {},
    "get_bucket_versioning": {},
    "put_bucket_versioning": {"VersioningConfiguration": {"Status": "Enabled"}},
    "get_bucket_lifecycle_configuration": {},
    "delete_bucket_lifecycle": {},
    "get_bucket_tagging": {},
}


async def test_a_login_gets_nowhere_else_whatever_it_tries(seaweed_rig: SeaweedRig) -> None:
    rig, mine, others = seaweed_rig, a_piece(), a_piece(BLOG)
    variables = rig.driver.variables(mine, await _provided(rig, mine))
    theirs = rig.driver.variables(others, await _provided(rig, others))
    await rig.write(variables, "own", "1")
    await rig.write(theirs, "secret", "payroll")
    before, users = {key: _content(rig, key) for key in rig.objects()}, rig.users()
    s3, prefix, other = rig.entered(variables), variables["PREFIX"].reveal(), theirs["PREFIX"].reveal()
    keys = [
        f"{other}secret",
        f"{prefix}../{other}secret",
        f"{prefix.rstrip('/')}2/own",
        prefix.rstrip("/"),
        f".mooring/{mine.identity}",
        "top",
    ]
    allowed = [f"{name} {key}" for name, attempt in ON_OBJECTS.items() for key in keys if _goes(lambda: attempt(s3, prefix, key))]  # noqa: B023
    allowed += [name for name, more in ON_THE_BUCKET.items() if _goes(lambda: getattr(s3, name)(Bucket=BUCKET, **more))]  # noqa: B023
    for beginning in ("m_", other, prefix.rstrip("/"), ".mooring/"):
        allowed += [f"list {beginning}"] if _goes(lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=beginning)) else []  # noqa: B023
    allowed += ["make a bucket"] if _goes(lambda: s3.create_bucket(Bucket="of-its-own")) else []
    assert allowed == []
    assert _told(s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}../{other}")) == []
    assert _told(s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix, StartAfter="a")) == [f"{prefix}own"]
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == []
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": f"{other}secret"}, {"Key": f"{prefix}../{other}secret"}]})
    assert ({key: _content(rig, key) for key in rig.objects()}, rig.users()) == (before, users)


@pytest.mark.parametrize("trick", ["../", "%2e%2e/", ".%2e/", "..%2f", "%2e%2e%2f", "//../", "./../", "%252e%252e/", "..\\", "a/../../"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_path_that_is_written_otherwise_leads_nowhere_else(seaweed_rig: SeaweedRig, trick: str, method: str) -> None:
    rig, mine, others = seaweed_rig, a_piece(), a_piece(BLOG)
    login = await _provided(rig, mine)
    theirs = rig.driver.variables(others, await _provided(rig, others))
    await rig.write(theirs, "secret", "payroll")
    path = f"/{BUCKET}/{mine.identity}/{trick}{others.identity}/secret"
    answer = _raw(rig, login.password, method, path)
    assert b"payroll" not in answer
    assert await rig.read(theirs) == {"secret": "payroll"}


async def test_a_login_changes_no_user_and_no_policy(seaweed_rig: SeaweedRig) -> None:
    rig, mine, others = seaweed_rig, a_piece(), a_piece(BLOG)
    login, theirs = await _provided(rig, mine), await _provided(rig, others)
    iam = _iam_as(rig, login)
    before = rig.users()
    wide = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::*"}]})
    attempts: dict[str, dict[str, str]] = {
        "list_users": {},
        "create_user": {"UserName": "another"},
        "get_user": {"UserName": theirs.name},
        "delete_user": {"UserName": theirs.name},
        "create_access_key": {"UserName": theirs.name},
        "list_access_keys": {"UserName": theirs.name},
        "delete_access_key": {"UserName": theirs.name, "AccessKeyId": halves(theirs.password)[0]},
        "put_user_policy": {"UserName": login.name, "PolicyName": "mooring", "PolicyDocument": wide},
        "get_user_policy": {"UserName": theirs.name, "PolicyName": "mooring"},
        "create_policy": {"PolicyName": "wide", "PolicyDocument": wide},
        "list_policies": {},
    }
    assert [name for name, words in attempts.items() if _goes(lambda: getattr(iam, name)(**words))] == []  # noqa: B023
    assert rig.users() == before


async def test_a_key_that_an_app_made_for_itself_ends_with_its_login(seaweed_rig: SeaweedRig) -> None:
    """SeaweedFS lets every user make keys of its own."""
    rig, piece = seaweed_rig, a_piece()
    first = await _provided(rig, piece)
    own = _iam_as(rig, first).create_access_key(UserName=first.name)["AccessKey"]
    hidden = Login(first.name, Secret(f"{own['AccessKeyId']}:{own['SecretAccessKey']}"))
    assert await rig.read(rig.driver.variables(piece, hidden)) == {}
    second = await rig.driver.admit(a_mark(), piece, a_login(piece, 2))
    assert second is not None
    await rig.driver.withdraw(a_mark(), piece, keep=second.name)
    with pytest.raises(ClientError):
        await rig.read(rig.driver.variables(piece, hidden))
    assert rig.users() == {second.name: [halves(second.password)[0]]}


# crashes


class Crash:
    """The n-th request is not sent, or its answer is lost."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, at: int, is_answer: bool) -> None:
        self.left, real = at, BaseClient._make_api_call

        def asked(client: BaseClient, name: str, words: dict[str, Any]) -> object:
            self.left -= 1
            if self.left == 0 and not is_answer:
                raise ConnectionClosedError(endpoint_url="test")
            answer = real(client, name, words)
            if self.left == 0:
                raise ConnectionClosedError(endpoint_url="test")
            return answer

        monkeypatch.setattr(BaseClient, "_make_api_call", asked)


@pytest.mark.parametrize("is_answer", [False, True], ids=["not sent", "answer lost"])
async def test_a_crash_anywhere_ends_with_one_usable_key_and_no_unknown_one(seaweed_rig: SeaweedRig, is_answer: bool) -> None:
    """Making, copying, admitting, withdrawing and removing, each stopped at each of its requests and then repeated as the engine does."""
    rig, source, piece = seaweed_rig, a_piece(), a_piece(BLOG)
    await rig.write(rig.driver.variables(source, await _provided(rig, source)), "a", "1")
    mark = a_mark(BLOG)
    made, second = a_login(piece), a_login(piece, 2)

    async def clone() -> None:
        nonlocal made
        made = await rig.driver.clone(mark, piece, made, source=source, mask="") or made

    async def admit() -> None:
        nonlocal second
        second = await rig.driver.admit(mark, piece, second) or second

    async def remove() -> None:
        await rig.driver.remove(mark, piece)

    points = await _at_every_point(clone, remove, is_answer=is_answer)
    await clone()
    assert await rig.read(rig.driver.variables(piece, made)) == {"a": "1"}
    assert rig.users()[made.name] == [halves(made.password)[0]]
    points += await _at_every_point(admit, lambda: rig.driver.withdraw(mark, piece, keep=made.name), is_answer=is_answer)
    await admit()
    assert await rig.read(rig.driver.variables(piece, second)) == {"a": "1"}
    assert {name: len(keys) for name, keys in rig.users().items() if name in (made.name, second.name)} == {made.name: 1, second.name: 1}
    points += await _at_every_point(remove, clone, is_answer=is_answer)
    await remove()
    assert [key for key in rig.objects() if piece.identity in key] == []
    assert [name for name in rig.users() if piece.identity in name] == []
    assert points > 40


async def _at_every_point(act: Callable[[], Awaitable[object]], undo: Callable[[], Awaitable[object]], *, is_answer: bool) -> int:
    """How many there were. After each crash the act is repeated, and undone."""
    at = 0
    while True:
        at += 1
        with pytest.MonkeyPatch.context() as patch:
            crash = Crash(patch, at=at, is_answer=is_answer)
            try:
                await act()
            except MooringError:
                pass
        if crash.left > 0:
            await undo()
            return at
        await act()
        await undo()


async def test_what_a_crash_left_half_made_nobody_can_use_or_sees(seaweed_rig: SeaweedRig, tmp_path: Path) -> None:
    rig, source, piece = seaweed_rig, a_piece(), a_piece(BLOG)
    await rig.write(rig.driver.variables(source, await _provided(rig, source)), "a", "1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mooring.drivers.service.bucket.users.let_in", _broken)
        with pytest.raises(MooringError):
            await rig.driver.clone(a_mark(BLOG), piece, a_login(piece), source=source, mask="")
    assert [name for name in rig.users() if piece.identity in name] == []
    with pytest.raises(NotFound):
        await rig.driver.size(piece)
    with pytest.raises(NotFound):
        await rig.driver.dump(piece, a_login(piece), tmp_path / "dump")
    made = await rig.driver.provide(a_mark(BLOG), piece, a_login(piece))
    assert made and await rig.read(rig.driver.variables(piece, made)) == {}


def _broken(*_: object) -> Login:
    raise ConnectionClosedError(endpoint_url="test")


# dumps and copies


async def test_a_dump_keeps_keys_headers_and_metadata_and_a_copy_too(seaweed_rig: SeaweedRig, tmp_path: Path) -> None:
    rig, piece, copy = seaweed_rig, a_piece(), a_piece(BLOG)
    login = await _provided(rig, piece)
    s3, prefix = rig.entered(rig.driver.variables(piece, login)), f"{piece.identity}/"
    headers = {"ContentType": "text/css", "CacheControl": "max-age=3", "Metadata": {"who": "anna"}}
    names = ["é ü+%&?#", "a/b/c.css", "%2e%2e", "-rf"]
    for name in names:
        s3.put_object(Bucket=BUCKET, Key=prefix + name, Body=name.encode() * 30_000, **headers)
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}folder/", Body=b"")
    await rig.driver.dump(piece, login, tmp_path / "dump")
    await rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=piece, mask="")
    for key in rig.objects():
        if key.startswith(prefix):
            rig.s3.delete_object(Bucket=BUCKET, Key=key)
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}later", Body=b"stays")
    await rig.driver.restore(a_mark(), piece, login, tmp_path / "dump")
    for beginning in (prefix, f"{copy.identity}/"):
        for name in names:
            found = rig.s3.get_object(Bucket=BUCKET, Key=beginning + name)
            assert (found["Body"].read(), {each: found[each] for each in headers}) == (name.encode() * 30_000, headers)
    assert f"{prefix}later" in rig.objects()


async def test_a_dump_that_is_cut_short_or_forged_changes_nothing(seaweed_rig: SeaweedRig, tmp_path: Path) -> None:
    rig, piece = seaweed_rig, a_piece()
    login = await _provided(rig, piece)
    variables = rig.driver.variables(piece, login)
    await rig.write(variables, "a", "1" * 2_000)
    await rig.driver.dump(piece, login, tmp_path / "dump")
    await rig.write(variables, "a", "newer")
    whole = (tmp_path / "dump").read_bytes()
    with tarfile.open(tmp_path / "foreign", "w") as tar:
        tar.add(__file__, "a")
    broken = [whole[:size] for size in range(0, len(whole.rstrip(b"\0")), 512)] + [(tmp_path / "foreign").read_bytes()]
    for content in broken:
        (tmp_path / "broken").write_bytes(content)
        with pytest.raises(Unavailable):
            await rig.driver.restore(a_mark(), piece, login, tmp_path / "broken")
    assert await rig.read(variables) == {"a": "newer"}
    with pytest.raises(Refused):
        await rig.driver.dump(piece, login, tmp_path / "dump")


async def test_a_mask_leaves_out_of_a_copy_what_it_names(seaweed_rig: SeaweedRig) -> None:
    rig, source, copy = seaweed_rig, a_piece(), a_piece(BLOG)
    variables = rig.driver.variables(source, await _provided(rig, source))
    for name in ("uploads/anna.jpg", "uploads/demo/1.jpg", "logo.png"):
        await rig.write(variables, name, "1")
    made = await rig.driver.clone(a_mark(BLOG), copy, a_login(copy), source=source, mask="+ uploads/demo/*\n- uploads/*\n")
    assert made and set(await rig.read(rig.driver.variables(copy, made))) == {"uploads/demo/1.jpg", "logo.png"}


@pytest.mark.parametrize("text", ["DELETE FROM people", "-", "+ a\nuploads/*"])
def test_what_is_no_mask_is_said(text: str) -> None:
    with pytest.raises(Unavailable, match="no mask for a bucket"):
        objects.mask(text)


async def test_removing_takes_more_than_a_page_of_objects_and_what_was_begun(seaweed_rig: SeaweedRig) -> None:
    rig, piece = seaweed_rig, a_piece()
    s3 = rig.entered(rig.driver.variables(piece, await _provided(rig, piece)))
    for number in range(1_010):
        rig.s3.put_object(Bucket=BUCKET, Key=f"{piece.identity}/{number}", Body=b"1")
    s3.create_multipart_upload(Bucket=BUCKET, Key=f"{piece.identity}/parts")
    rig.s3.put_object(Bucket=BUCKET, Key=f"{piece.identity}2/others", Body=b"1")
    assert await rig.driver.size(piece) == 1_010
    await rig.driver.remove(a_mark(), piece)
    assert (rig.objects(), rig.users()) == ([f"{piece.identity}2/others"], {})
    assert not rig.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


async def test_somebody_elses_user_or_mark_is_never_touched(seaweed_rig: SeaweedRig) -> None:
    rig, piece = seaweed_rig, a_piece()
    rig.iam.create_user(UserName=f"{piece.identity}_1")
    for act in (rig.driver.provide(a_mark(), piece, a_login(piece)), rig.driver.remove(a_mark(), piece)):
        with pytest.raises(Refused, match="the user"):
            await act
    assert rig.users() == {f"{piece.identity}_1": []}
    rig.s3.put_object(Bucket=BUCKET, Key=f".mooring/{piece.identity}", Body=b"mine")
    with pytest.raises(Refused, match="is not the mark of"):
        await rig.driver.remove(a_mark(), piece)
    assert await rig.driver.find_owned() == ()


async def test_two_that_change_one_piece_at_the_same_time_do_not_both(seaweed_rig: SeaweedRig) -> None:
    rig, piece = seaweed_rig, a_piece()
    login = await _provided(rig, piece)
    newer = BucketServer(rig.admin, controller=CONTROLLER)
    found = rig.driver._ready(piece)
    assert await newer.admit(a_mark(fence=9), piece, a_login(piece, 2))
    with pytest.raises(Unavailable, match="at the same time"):
        rig.driver._step(a_mark(fence=3), piece, found)
    assert await rig.read(rig.driver.variables(piece, login)) == {}


# addresses and inspection


async def test_a_bucket_that_is_open_to_everybody_is_told(seaweed_rig: SeaweedRig) -> None:
    rig = seaweed_rig
    assert (await rig.driver.inspect()).findings == ()
    rig.s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(OPEN))
    try:
        found = (await rig.driver.inspect()).findings
    finally:
        rig.s3.delete_bucket_policy(Bucket=BUCKET)
    assert [(each.subject, each.weight) for each in found] == [(ISOLATION, Weight.FAULT)]


async def test_a_key_that_may_make_no_users_is_told(seaweed_rig: SeaweedRig) -> None:
    rig, piece = seaweed_rig, a_piece()
    with pytest.raises(Refused) as refused:
        await _server_as(rig, (await _provided(rig, piece)).password).inspect()
    assert "administrator's key" in refused.value.hint


@pytest.mark.parametrize("change", [("sesame-of-the-chief", "sesame-of-another"), (f"/{BUCKET}", "/nobody-made-it")])
async def test_a_wrong_key_or_bucket_is_told_without_the_secret(seaweed_rig: SeaweedRig, change: tuple[str, str]) -> None:
    address = Secret(seaweed_rig.admin.reveal().replace(*change))
    driver = BucketServer(address, controller=CONTROLLER)
    for act in (driver.inspect, driver.find_owned, lambda: driver.provide(a_mark(), a_piece(), a_login(a_piece()))):
        with pytest.raises(MooringError) as told:
            await act()
        assert "sesame" not in f"{told.value} {told.value.hint} {told.value.__cause__}"


async def test_an_endpoint_that_does_not_answer_is_unavailable() -> None:
    driver = BucketServer(Secret(f"s3+http://chief:sesame@127.0.0.1:{free_port()}/{BUCKET}"), controller=CONTROLLER)
    with pytest.raises(Unavailable, match="does not answer"):
        await driver.provide(a_mark(SHOP), a_piece(), a_login(a_piece()))


@pytest.mark.parametrize(
    "address",
    [
        "https://k:s@host/bucket",
        "s3+https://host/bucket",
        "s3+https://k:s@host",
        "s3+https://k:s@host/a/b",
        "s3+https://k:s@host/Bucket*",
        "s3+https://k:s@/bucket",
        "s3+https://k:s@host/bucket?zone=1",
        "s3+https://k:s@host/bucket?iam=file:///etc/passwd",
        "s3+https://k:s@host:port/bucket",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="no address of a bucket"):
        BucketServer(Secret(address), controller=CONTROLLER)


async def test_what_an_app_is_given_is_all_that_a_client_of_s3_needs(monkeypatch: pytest.MonkeyPatch, seaweed_rig: SeaweedRig) -> None:
    """With `prefix = "AWS"` the library finds it by itself."""
    rig, piece = seaweed_rig, a_piece()
    variables = rig.driver.variables(piece, await _provided(rig, piece))
    assert variables["URL"].reveal() == f"s3://{BUCKET}/{piece.identity}/"
    for name, value in variables.items():
        monkeypatch.setenv(f"AWS_{name}", value.reveal())
    from botocore.session import Session

    client = Session().create_client("s3", region_name=variables["REGION"].reveal())
    client.put_object(Bucket=BUCKET, Key=f"{piece.identity}/a", Body=b"1")
    assert await rig.read(variables) == {"a": "1"}


def _goes(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except ClientError:
        return False
    return True


def _told(answer: dict[str, Any]) -> list[str]:
    return [each["Key"] for each in answer.get("Contents", ())]


def _content(rig: SeaweedRig, key: str) -> bytes:
    return bytes(rig.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def _raw(rig: SeaweedRig, password: Secret, method: str, path: str) -> bytes:
    """A request whose path nobody has tidied."""
    name, secret = halves(password)
    request = AWSRequest(method=method, url=f"{rig.address.endpoint}{path}", data=b"stolen" if method == "PUT" else b"")
    S3SigV4Auth(Credentials(name, secret.reveal()), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(rig.address.endpoint).netloc, timeout=30)
    try:
        connection.request(method, path, body=request.data, headers=dict(request.headers))
        return connection.getresponse().read()
    finally:
        connection.close()


def _server_as(rig: SeaweedRig, key: Secret) -> BucketServer:
    name, secret = halves(key)
    return BucketServer(Secret(f"s3+http://{name}:{secret.reveal().replace('/', '%2F')}@{rig.address.place}"), controller=CONTROLLER)


def _iam_as(rig: SeaweedRig, login: Login) -> Any:
    return _server_as(rig, login.password)._iam
