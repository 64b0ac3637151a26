"""The keys that may push, in an `authorized_keys` that others write to as well."""

from __future__ import annotations

import base64
import json
import shlex
import stat
from pathlib import Path

import pytest

from mooring.errors import InvalidInput, InvalidName, NotFound, Refused, StateDamaged
from mooring.model.names import AppName
from mooring.model.push_key import PublicKey, public_key, push_key_name
from mooring.store.authorized_keys import AuthorizedKeys

SHOP, BLOG = AppName("shop"), AppName("blog")
FOREIGN = 'ssh-ed25519 AAAAforeign anna@laptop\n# a remark: é\n\nno-pty,command="backup" ssh-rsa AAAAother backup\n'


def a_key(letter: bytes, kind: str = "ssh-ed25519") -> PublicKey:
    raw = len(kind).to_bytes(4, "big") + kind.encode() + (32).to_bytes(4, "big") + letter * 32
    return public_key(f"{kind} {base64.b64encode(raw).decode()} somebody@somewhere")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / ".ssh" / "authorized_keys"
    path.parent.mkdir(mode=0o700)
    path.write_text(FOREIGN)
    return path


@pytest.fixture
def keys(file: Path, tmp_path: Path) -> AuthorizedKeys:
    return AuthorizedKeys(file, state=tmp_path / "the state")


def test_a_key_becomes_a_line_that_allows_one_command_and_nothing_else(keys: AuthorizedKeys, file: Path, tmp_path: Path) -> None:
    keys.add("anna", a_key(b"a"), apps=(SHOP, BLOG))
    assert file.read_text().startswith(FOREIGN)
    line = file.read_text().removeprefix(FOREIGN).rstrip("\n")
    options, _, rest = line.removeprefix('restrict,command="').partition('" ')
    assert line.startswith('restrict,command="')
    assert rest.split()[0] == "ssh-ed25519"
    assert shlex.split(options)[-9:] == [
        "git-receive",
        "--key",
        "anna",
        "--state",
        str(tmp_path / "the state"),
        *f"--only {SHOP} --only {BLOG}".split(),
    ]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_keys_are_listed_changed_and_taken_away_and_other_lines_stay_as_they_are(keys: AuthorizedKeys, file: Path) -> None:
    first = keys.add("anna", a_key(b"a"), apps=())
    keys.add("ben", a_key(b"b"), apps=(SHOP,))
    changed = keys.add("anna", a_key(b"a"), apps=(BLOG,))
    assert (first.apps, changed.apps) == ((), (BLOG,))
    assert [key.name for key in keys.listed()] == ["anna", "ben"]
    keys.remove("anna")
    assert [key.name for key in keys.listed()] == ["ben"]
    keys.remove("ben")
    assert file.read_text() == FOREIGN
    with pytest.raises(NotFound, match="no key 'ben'"):
        keys.remove("ben")


def test_a_name_or_a_key_that_is_known_is_not_taken_twice(keys: AuthorizedKeys, file: Path) -> None:
    keys.add("anna", a_key(b"a"), apps=())
    with pytest.raises(InvalidInput, match="another key 'anna'"):
        keys.add("anna", a_key(b"b"), apps=())
    with pytest.raises(InvalidInput, match="known here as 'anna'"):
        keys.add("ben", a_key(b"a"), apps=())
    file.write_text(f"{file.read_text()}ssh-ed25519 {a_key(b'c').blob} me\n")
    with pytest.raises(InvalidInput, match="known to this account without Mooring"):
        keys.add("carla", a_key(b"c"), apps=())


def test_keys_of_another_platform_of_the_account_are_left_alone(keys: AuthorizedKeys, file: Path, tmp_path: Path) -> None:
    other = AuthorizedKeys(file, state=tmp_path / "other")
    other.add("anna", a_key(b"a"), apps=())
    assert keys.listed() == ()
    with pytest.raises(NotFound):
        keys.remove("anna")
    assert [key.name for key in other.listed()] == ["anna"]


def test_a_file_that_is_a_link_stays_one_and_a_missing_one_is_made(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for path in (tmp_path / "link", tmp_path / "home" / ".ssh" / "authorized_keys"):
        AuthorizedKeys(path, state=tmp_path).add("anna", a_key(b"a"), apps=())
        assert path.read_text().startswith("restrict,")
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE((tmp_path / "home" / ".ssh").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ['a"b', "a\nb", "a\\b"])
def test_a_state_directory_that_could_end_the_quotes_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "authorized_keys"
    with pytest.raises(Refused, match="cannot stand in authorized_keys"):
        AuthorizedKeys(file, state=tmp_path / name).add("anna", a_key(b"a"), apps=())
    assert not file.exists()


ED = a_key(b"a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not one public key"),
        ("ssh-ed25519", "not one public key"),
        (f"ssh-ed25519 {ED.blob}\nssh-ed25519 {ED.blob}", "not one public key"),
        (f"ssh-rsa {ED.blob}", "no public key of a kind"),
        (f"ssh-dss {ED.blob}", "no public key of a kind"),
        ("ssh-ed25519 AAAA", "no public key of a kind"),
        ("ssh-ed25519 !!!!", "no public key of a kind"),
        (f'command="id" ssh-ed25519 {ED.blob}', "no public key of a kind"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "private key"),
        (f"ssh-ed25519 {ED.blob} {'x' * 20_000}", "not one public key"),
    ],
    ids=lambda text: repr(text[:30]),
)
def test_what_is_no_public_key_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        public_key(text)


def test_a_fingerprint_is_what_openssh_says() -> None:
    key = public_key("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github")
    assert key.fingerprint == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"  # source: GitHub's SSH key fingerprints


@pytest.mark.parametrize("name", ["", "-a", "a b", 'a"', "a\n", "a;id", "x" * 65])
def test_a_keys_name_can_only_be_a_word(name: str) -> None:
    with pytest.raises(InvalidName):
        push_key_name(name)


def test_what_a_backup_kept_may_push_again_on_another_machine_and_beside_its_other_lines(keys: AuthorizedKeys, tmp_path: Path) -> None:
    keys.add("anna", a_key(b"a"), apps=(SHOP,))
    keys.add("ben", a_key(b"b"), apps=())
    kept = tmp_path / "kept"
    keys.keep(kept)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    elsewhere = tmp_path / "elsewhere" / "authorized_keys"
    elsewhere.parent.mkdir()
    elsewhere.write_text(FOREIGN)
    new = AuthorizedKeys(elsewhere, state=tmp_path / "new state")
    added, refused = new.bring_back(kept)
    assert (tuple(added), refused) == (keys.listed(), [])
    assert new.listed() == keys.listed()
    assert elsewhere.read_text().startswith(FOREIGN)
    assert str(tmp_path / "new state") in elsewhere.read_text()
    assert new.bring_back(kept) == (added, []), "twice is like once"


def test_of_what_a_backup_kept_only_what_is_a_key_is_let_in_and_the_rest_is_said(keys: AuthorizedKeys, file: Path, tmp_path: Path) -> None:
    keys.add("anna", a_key(b"a"), apps=())
    kept = tmp_path / "kept"
    good, evil = a_key(b"b"), 'x" ssh-ed25519 AAAA'
    rows = [
        {"name": "anna", "kind": good.kind, "blob": good.blob},
        {"name": 'ben"\nssh-ed25519 AAAA', "kind": good.kind, "blob": good.blob},
        {"name": "cleo", "kind": good.kind, "blob": evil},
        {"name": "dora", "kind": good.kind, "blob": good.blob, "apps": ["$(touch x)"]},
        {"name": "emil", "kind": good.kind, "blob": good.blob, "apps": ["shop"]},
    ]
    kept.write_text(json.dumps(rows))
    added, refused = keys.bring_back(kept)
    assert [(key.name, key.apps) for key in added] == [("emil", (SHOP,))]
    assert len(refused) == 4
    assert "there is another key 'anna'" in refused[0]
    assert file.read_text().count("\n") == FOREIGN.count("\n") + 2
    for text in ("{}", "[{}]", "not JSON"):
        kept.write_text(text)
        with pytest.raises(StateDamaged, match="cannot be read"):
            keys.bring_back(kept)
