"""Addresses and command lines of ssh: whatever is written in them is refused, or is one word where a word is meant."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.client import contexts
from mooring.client.contexts import Contexts, SshTarget
from mooring.client.ssh import parse_target, remote_command, ssh_command
from mooring.errors import InvalidInput, NotFound

CONTROL = Path("/run/mooring-ssh")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("ssh://deploy@203.0.113.7", SshTarget(host="203.0.113.7", user="deploy")),
        ("ssh://Lab", SshTarget(host="Lab")),
        ("ssh://lab:2222/srv/mooring/", SshTarget(host="lab", port=2222, state="/srv/mooring")),
        ("ssh://root@[2001:db8::7]:22", SshTarget(host="2001:db8::7", user="root", port=22)),
        ("ssh://lab/srv/with%20space", SshTarget(host="lab", state="/srv/with space")),
    ],
)
def test_an_address_is_read_and_written_alike(url: str, target: SshTarget) -> None:
    assert parse_target(url) == target
    assert parse_target(str(target).replace(" ", "%20")) == target


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("deploy@host", "it needs ssh:// and a host"),
        ("https://host", "it needs ssh:// and a host"),
        ("ssh://", "it needs ssh:// and a host"),
        ("ssh://-oProxyCommand=touch", "it needs ssh:// and a host"),
        ("ssh://host;touch", "it needs ssh:// and a host"),
        ("ssh://$(touch)@host", "is no user's name"),
        ("ssh://-l@host", "is no user's name"),
        ("ssh://host:99999", "that is no address"),
        ("ssh://host/a?b", "nothing may follow"),
        ("ssh://host/a%0Ab", "nothing may follow"),
    ],
)
def test_what_is_no_address_is_refused(url: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said.replace("(", r"\(")):
        parse_target(url)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_target("ssh://deploy:hunter2@host")
    assert "a password has no place in it" in str(refused.value)
    assert "hunter2" not in f"{refused.value} {refused.value.hint}"


@given(state=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40), program=st.text(max_size=20))
def test_the_shell_there_reads_each_word_as_it_was_meant(state: str, program: str) -> None:
    try:
        target = parse_target("ssh://host", program=program)
    except InvalidInput:
        return
    words = shlex.split(remote_command(SshTarget(host="host", state=state, program=target.program)))
    assert words == [target.program, "dial", *(["--state", state] if state else [])]


@given(text=st.text(max_size=60))
def test_no_address_puts_an_option_or_a_second_word_into_the_command_line(text: str) -> None:
    try:
        target = parse_target(f"ssh://{text}")
    except InvalidInput:
        return
    words = ssh_command(target, CONTROL)
    assert words.index("--") == len(words) - 3
    assert not target.host.startswith("-")
    assert not target.user.startswith("-")
    assert words[0] == "ssh"


def test_only_at_a_terminal_may_ssh_ask() -> None:
    silent, asking = (ssh_command(SshTarget(host="host"), CONTROL, asks=asks) for asks in (False, True))
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "ForwardAgent=no"} <= set(silent)
    assert {"BatchMode=no", "StrictHostKeyChecking=ask"} <= set(asking)


def test_contexts_are_kept_whole_and_private(tmp_path: Path) -> None:
    file = contexts.contexts_file({"HOME": str(tmp_path)})
    assert contexts.load(file) == Contexts()
    kept = Contexts(current="prod", targets={"prod": SshTarget(host="host", port=22)})
    contexts.save(file, kept)
    assert contexts.load(file) == kept
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["contexts.json"]
    file.write_text("{")
    with pytest.raises(InvalidInput, match="the contexts cannot be read") as damaged:
        contexts.load(file)
    assert damaged.value.where == str(file)


def test_what_is_said_goes_before_what_is_kept() -> None:
    kept = Contexts(current="prod", targets={"prod": SshTarget(host="host")})
    assert contexts.meant({}, kept) == "prod"
    assert contexts.meant({"MOORING_STATE": "/srv"}, kept) == contexts.meant({"MOORING_URL": "https://x"}, kept) == "local"
    assert contexts.meant({"MOORING_CONTEXT": "lab", "MOORING_STATE": "/srv"}, kept) == "lab"
    assert contexts.meant({"MOORING_CONTEXT": "lab"}, kept, chosen="prod") == "prod"
    assert kept.target("local") is None
    with pytest.raises(NotFound, match="there is no context 'lab'"):
        kept.target("lab")


@pytest.mark.parametrize("name", ["", "local", "-x", "a b", "a/b", "A", "x" * 32, "ü"])
def test_a_name_that_could_be_mistaken_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be a context's name"):
        contexts.check_name(name)
