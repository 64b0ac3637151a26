"""What each forge's messages are understood as, and that nothing is which it did not sign. Payloads as the forges document them."""

from __future__ import annotations

import json

import pytest
from forge.server import (
    SECRET,
    TOKEN,
    ZEROS,
    encoded,
    gitea_headers,
    gitea_push,
    github_headers,
    github_push,
    gitlab_merge_request,
    gitlab_push,
    pull_request,
    signed,
)

from mooring.drivers.forge.contract import Forge
from mooring.drivers.forge.gitea import Gitea
from mooring.drivers.forge.github import GitHub
from mooring.drivers.forge.gitlab import GitLab
from mooring.drivers.forge.plain import PlainGit
from mooring.errors import InvalidInput, MooringError, Unauthorized
from mooring.model.forge import (
    BranchDeleted,
    Checked,
    ForgeKind,
    ForgeLink,
    ForgeSecrets,
    PullAction,
    PullRequest,
    Pushed,
    Unconcerning,
)
from mooring.model.names import AppName
from mooring.model.secret import Secret

NOW = 1_795_000_000.0
KINDS = {ForgeKind.GITHUB: GitHub, ForgeKind.GITLAB: GitLab, ForgeKind.GITEA: Gitea}


def forge(kind: ForgeKind, *, secret: str = SECRET) -> Forge:
    link = ForgeLink(
        app=AppName("shop"), kind=kind, repository="acme/shop", url="https://forge.example/acme/shop.git", api="https://forge.example"
    )
    return KINDS[kind](link, ForgeSecrets(token=Secret(TOKEN), hook=Secret(secret)))


def a_message(kind: ForgeKind, secret: str = SECRET) -> tuple[dict[str, str], bytes]:
    if kind is ForgeKind.GITHUB:
        body = github_push(at=NOW)
        return github_headers("push", body, secret), body
    if kind is ForgeKind.GITLAB:
        return {"x-gitlab-event": "Push Hook", "x-gitlab-token": secret}, gitlab_push()
    body = gitea_push(branch="main")
    return gitea_headers("push", body, secret), body


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_push_is_understood(kind: ForgeKind) -> None:
    assert forge(kind).read(*a_message(kind)).event == Pushed(branch="main")


def test_github_says_when_it_was_pushed_under_its_signature() -> None:
    assert forge(ForgeKind.GITHUB).read(*a_message(ForgeKind.GITHUB)).sent_at == NOW


def test_a_signature_is_the_one_that_github_documents() -> None:
    """Source: docs.github.com, "Validating webhook deliveries", testing the webhook payload validation."""
    given = signed(b"Hello, World!", "It's a Secret to Everybody")
    assert given == "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "secret", ["", "another-secret-of-some-length", SECRET[:-1], SECRET.upper()], ids=["none", "another", "shorter", "upper"]
)
def test_a_message_with_another_secret_is_not_believed(kind: ForgeKind, secret: str) -> None:
    with pytest.raises(Unauthorized):
        forge(kind).read(*a_message(kind, secret))


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_secret_of_ones_own_nothing_is_believed(kind: ForgeKind) -> None:
    with pytest.raises(Unauthorized, match="no secret was agreed"):
        forge(kind, secret="").read(*a_message(kind, ""))
    with pytest.raises(Unauthorized):
        PlainGit().read({}, b"{}")


@pytest.mark.parametrize("kind", [ForgeKind.GITHUB, ForgeKind.GITEA])
def test_none_of_a_thousand_forged_messages_is_believed(kind: ForgeKind) -> None:
    """One bit of the body or of the signature is another, or a header is missing, doubled, cut or of another alphabet."""
    headers, body = a_message(kind)
    name = next(name for name in headers if "signature" in name)
    signature, mine = headers[name], forge(kind)
    for turn in range(1000):
        changed, given = bytearray(body), dict(headers)
        place = len(signature) - 1 - turn * 7 % 64
        match turn % 6:
            case 0:
                changed[turn * 7919 % len(changed)] ^= 1 << turn % 8
            case 1:
                digit = "é" if turn % 5 == 0 else format((int(signature[place], 16) + 1 + turn % 15) % 16, "x")
                given[name] = signature[:place] + digit + signature[place + 1 :]
            case 2:
                given[name] = signature[:place]
            case 3:
                del given[name]
            case 4:
                given[name] = signed(body, f"{SECRET}{turn}")
            case 5:
                changed += b" " * turn
        with pytest.raises(Unauthorized):
            mine.read(given, bytes(changed))


@pytest.mark.parametrize(("kind", "message"), [(kind, a_message(kind)) for kind in KINDS], ids=lambda each: getattr(each, "value", ""))
def test_a_message_about_another_repository_is_refused(kind: ForgeKind, message: tuple[dict[str, str], bytes]) -> None:
    body = message[1].replace(b"acme/shop", b"evil/shop")
    headers = {name: value.replace(signed(message[1]), signed(body)) for name, value in message[0].items()}
    with pytest.raises(InvalidInput, match="is about 'evil/shop'"):
        forge(kind).read(headers, body)


def test_a_branch_that_is_gone_is_told_by_each_in_its_way() -> None:
    body = github_push(branch="old", after=ZEROS, at=NOW)
    assert forge(ForgeKind.GITHUB).read(github_headers("push", body), body).event == BranchDeleted(branch="old")
    body = gitlab_push(branch="old", after=ZEROS)
    assert forge(ForgeKind.GITLAB).read({"x-gitlab-token": SECRET}, body).event == BranchDeleted(branch="old")
    body = encoded({"ref": "old", "ref_type": "branch", "repository": {"full_name": "acme/shop"}})
    assert forge(ForgeKind.GITEA).read(gitea_headers("delete", body), body).event == BranchDeleted(branch="old")


@pytest.mark.parametrize(
    ("action", "meant"),
    [
        ("opened", PullAction.OPENED),
        ("reopened", PullAction.OPENED),
        ("synchronize", PullAction.UPDATED),
        ("labeled", PullAction.UPDATED),
        ("closed", PullAction.CLOSED),
    ],
)
@pytest.mark.parametrize("kind", [ForgeKind.GITHUB, ForgeKind.GITEA])
def test_pull_requests_tell_whether_they_come_from_a_fork(kind: ForgeKind, action: str, meant: PullAction) -> None:
    for head, is_from_fork in (("acme/shop", False), ("stranger/shop", True)):
        body = encoded(pull_request(action=action, head=head))
        headers = github_headers("pull_request", body) if kind is ForgeKind.GITHUB else gitea_headers("pull_request", body)
        delivery = forge(kind).read(headers, body)
        wanted = PullRequest(number=2, action=meant, branch="changes", is_from_fork=is_from_fork, labels=("preview",))
        assert (delivery.event, delivery.sent_at) == (wanted, 1_795_262_400.0)


def test_a_pull_request_whose_fork_was_removed_is_from_a_fork() -> None:
    payload = pull_request()
    payload["pull_request"]["head"]["repo"] = None
    body = encoded(payload)
    event = forge(ForgeKind.GITHUB).read(github_headers("pull_request", body), body).event
    assert isinstance(event, PullRequest) and event.is_from_fork


def test_merge_requests_of_gitlab() -> None:
    for action, meant in (
        ("open", PullAction.OPENED),
        ("update", PullAction.UPDATED),
        ("merge", PullAction.CLOSED),
        ("close", PullAction.CLOSED),
    ):
        event = forge(ForgeKind.GITLAB).read({"x-gitlab-token": SECRET}, gitlab_merge_request(action=action)).event
        assert event == PullRequest(number=1, action=meant, branch="ms-viewport", is_from_fork=False, labels=("preview",))
    foreign = forge(ForgeKind.GITLAB).read({"x-gitlab-token": SECRET}, gitlab_merge_request(source=16)).event
    assert isinstance(foreign, PullRequest) and foreign.is_from_fork


def test_checks_and_whatever_else_are_told_apart() -> None:
    body = encoded({"repository": {"full_name": "acme/shop"}})
    for event in ("status", "check_run", "check_suite", "workflow_run"):
        assert forge(ForgeKind.GITHUB).read(github_headers(event, body), body).event == Checked()
    for event in ("check_run", "check_suite", "workflow_run"):
        named = encoded({event: {"head_sha": "c1"}, "repository": {"full_name": "acme/shop"}})
        assert forge(ForgeKind.GITHUB).read(github_headers(event, named), named).event == Checked(commit="c1")
    for event, fields in (("status", {"sha": "c1"}), ("workflow_job", {"workflow_job": {"head_sha": "c1"}})):
        named = encoded({**fields, "repository": {"full_name": "acme/shop"}})
        assert forge(ForgeKind.GITEA).read(gitea_headers(event, named), named).event == Checked(commit="c1")
    assert forge(ForgeKind.GITHUB).read(github_headers("ping", body), body).event == Unconcerning(what="ping")
    tag = github_push(at=NOW).replace(b"refs/heads/main", b"refs/tags/v1.0.0")
    assert isinstance(forge(ForgeKind.GITHUB).read(github_headers("push", tag), tag).event, Unconcerning)
    pipeline = encoded({"object_kind": "pipeline", "project": {"path_with_namespace": "acme/shop"}})
    assert forge(ForgeKind.GITLAB).read({"x-gitlab-token": SECRET}, pipeline).event == Checked()
    for named in ({"object_kind": "pipeline", "object_attributes": {"sha": "c1"}}, {"object_kind": "build", "sha": "c1"}):
        body = encoded({**named, "project": {"path_with_namespace": "acme/shop"}})
        assert forge(ForgeKind.GITLAB).read({"x-gitlab-token": SECRET}, body).event == Checked(commit="c1")


def test_forgejos_own_signature_counts_where_it_is_there() -> None:
    body = gitea_push()
    mine = forge(ForgeKind.GITEA)
    assert mine.read(gitea_headers("push", body, name="forgejo"), body).event == Pushed(branch="develop")
    with pytest.raises(Unauthorized):
        mine.read({**gitea_headers("push", body), **gitea_headers("push", body, "wrong", name="forgejo")}, body)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"repository": 1}', b"\xff", b"[" * 100_000, json.dumps({"repository": {"full_name": ["acme/shop"]}}).encode()],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_signed_but_makes_no_sense_is_refused_in_words(kind: ForgeKind, body: bytes) -> None:
    headers = {"x-gitlab-token": SECRET, **github_headers("push", body), **gitea_headers("push", body)}
    with pytest.raises(MooringError):
        forge(kind).read(headers, body)
