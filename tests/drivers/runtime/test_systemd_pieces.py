"""The pure pieces of the runtime `systemd`: unit files, what is asked of a host, what an artifact takes along."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mooring.drivers.runtime.systemd import asked
from mooring.drivers.runtime.systemd.asking import packed
from mooring.drivers.runtime.systemd.delivery import parcel, write_tar
from mooring.drivers.runtime.systemd.onhost import record, units
from mooring.errors import InvalidInput, InvalidName, Unavailable
from mooring.model.instance import InstanceSpec, TaskSpec
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact
from mooring.model.secret import Secret, SecretFile
from mooring.testing.runtime_contract import SHOP, a_key

SPEC = InstanceSpec(
    key=a_key(), command="serve; $(touch x)\n%h", directory="/srv/app", is_routed=True, memory=64_000_000, stop_signal="SIGINT"
)
VARIABLES: dict[str, str | Secret] = {"PLAIN": "pl4in", "TOKEN": Secret("s3cret"), "TLS_KEY": SecretFile("k3y")}


def words(**changed: Any) -> dict[str, Any]:
    spec = asked.instance_words(msgspec.structs.replace(SPEC, **changed), VARIABLES)
    return {**spec, "shown": [["/var/lib/mooring/artifacts/a1", spec["directory"]]]}


def unit(spec: dict[str, Any], *, is_root: bool = True) -> str:
    where = {"directory": "/var/lib/mooring", "run": "/var/lib/mooring/run/x", "program": "/p", "python": "/usr/bin/python3"}
    return units.instance_unit(spec, **where, is_root=is_root, target="multi-user.target")


def test_a_unit_file_holds_neither_the_command_nor_a_variable_nor_a_secret() -> None:
    text = unit(words())
    assert not [word for word in ("serve", "touch", "%", "$", "pl4in", "s3cret", "k3y") if word in text]
    assert "LoadCredential=TLS_KEY:/var/lib/mooring/run/x/secrets/TLS_KEY\n" in text
    assert "KillSignal=SIGINT\n" in text
    assert "MemoryMax=64000000\n" in text


def test_a_unit_is_held_to_the_processors_that_it_declares_and_to_none_otherwise() -> None:
    assert "CPUQuota=50%\n" in unit(words(cpus=0.5))
    assert "CPUQuota=250%\n" in unit(words(cpus=2.5), is_root=False)
    assert "CPUQuota" not in unit(words())


def test_units_of_the_system_are_shut_in_and_share_a_user_within_an_environment() -> None:
    lines = unit(words()).splitlines()
    assert {"DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=tmpfs", "CapabilityBoundingSet="} <= set(lines)
    users = {line for line in lines if line.startswith("User=")}
    assert users == {line for line in unit(words(key=a_key(3, release=9))).splitlines() if line.startswith("User=")}
    assert len(units.user_name("x" * 200)) <= 31
    assert units.user_name("shop--production") != units.user_name("shop--staging")


def test_units_of_an_account_ask_for_nothing_that_only_root_may_have() -> None:
    text = unit(words(), is_root=False)
    assert not [word for word in ("DynamicUser", "User=", "Protect", "BindReadOnly", "=+") if word in text]
    assert "NoNewPrivileges=yes\n" in text


def test_the_unit_of_a_check_shares_the_place_of_its_instance_and_ends_with_it_or_its_time() -> None:
    where = {"directory": "/var/lib/mooring", "run": "/var/lib/mooring/sessions/x", "program": "/p", "python": "/usr/bin/python3"}
    text = units.check_unit({**words(), "within": "mooring-x.service"}, **where, is_root=True, seconds=2.5)
    lines = set(text.splitlines())
    assert {"JoinsNamespaceOf=mooring-x.service", "BindsTo=mooring-x.service", "RuntimeMaxSec=2.5", "StandardInput=null"} <= lines
    assert {line for line in unit(words()).splitlines() if line.startswith(("User=", "Protect", "NoNew", "BindRead", "Memory"))} <= lines
    assert not [word for word in ("serve", "touch", "pl4in", "s3cret", "k3y") if word in text]


def test_a_unit_is_owned_by_the_directory_that_it_names_and_by_no_other() -> None:
    text = unit(words())
    assert units.is_owned(text, "/var/lib/mooring")
    assert not units.is_owned(text, "/var/lib/moor")
    assert not units.is_owned("[Service]\nExecStart=/bin/sleep 1\n", "/var/lib/mooring")


@pytest.mark.parametrize("path", ["/a\nExecStart=/bin/x", "/a b", "/%h", '/"', "relative", "/a:b", "/$HOME", "/ü"])
def test_a_path_that_would_mean_something_in_a_unit_file_is_refused(path: str) -> None:
    with pytest.raises(record.Failed) as failed:
        unit(words(directory=path))
    assert failed.value.kind == "invalid-input"


@pytest.mark.parametrize("name", ["", "A=B", "A/B", "../../etc", "A\0"])
def test_a_variable_that_cannot_be_carried_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be handed on"):
        asked.instance_words(SPEC, {name: SecretFile("x")})


def test_a_nul_is_refused_in_a_variable_and_not_in_a_file() -> None:
    with pytest.raises(InvalidInput, match="a NUL in its value"):
        asked.instance_words(SPEC, {"A": Secret("x\0")})
    assert asked.instance_words(SPEC, {"A": SecretFile("x\0")})["secret_files"] == {"A": "x\0"}


def test_the_name_of_a_one_off_is_checked_before_it_becomes_a_unit_s() -> None:
    spec = TaskSpec(environment=SHOP, name="../x", command="", directory="/", timeout=1, release=1)
    with pytest.raises(InvalidName):
        asked.task_words(spec, {})


def test_what_runs_on_a_host_needs_nothing_that_is_not_packed_with_it(tmp_path: Path) -> None:
    (tmp_path / "onhost.zip").write_bytes(packed())
    command = [sys.executable, "-I", "-S", str(tmp_path / "onhost.zip"), "ask"]
    question = b'{"verb": "follow", "directory": "%s", "environment": "x", "place": [7, []], "wait": 0}\n' % bytes(tmp_path)
    done = subprocess.run(command, input=question, capture_output=True, timeout=60)
    assert done.stdout == b'{"done": {"lines": [], "place": [7, []]}}\n', done.stderr.decode()
    assert packed() == packed.__wrapped__(), "the same source is the same file"


def test_an_artifact_takes_its_dependencies_along_and_tells_what_its_links_need_besides(tmp_path: Path) -> None:
    app, library = tmp_path / "app", tmp_path / "library"
    for folder in (app, library):
        folder.mkdir(mode=0o700)
        (folder / "file").write_text("content")
    (app / "inside").symlink_to(library / "file")
    (app / "beside").symlink_to("file")
    (app / "outside").symlink_to("/opt/python9/bin/python")
    artifact = Artifact(id=ArtifactId("a1"), builder="", reason="", directory=str(app), size=0, dependencies=(str(library),))
    found = parcel(artifact)
    assert found.needs == ("/opt/python9/bin/python",)
    assert list(found.trees.values()) == [str(app), str(library)]
    file = io.BytesIO()
    assert write_tar(found, found.trees, file) == len(file.getvalue())
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        members = {member.name: member for member in archive.getmembers()}
    dependency = list(found.trees)[1]
    assert {"artifact-a1", "artifact-a1/file", "artifact-a1/inside", dependency, f"{dependency}/file"} <= set(members)
    assert (members["artifact-a1"].mode, members["artifact-a1/file"].mode & 0o044) == (0o755, 0o044), "an app's user is not its owner there"
    assert {(member.uid, member.uname) for member in members.values()} == {(0, "")}


def test_an_artifact_that_somebody_removed_is_missed(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="the artifact a1 is gone"):
        parcel(Artifact(id=ArtifactId("a1"), builder="", reason="", directory=str(tmp_path / "gone"), size=0))
