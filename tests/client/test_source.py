"""What is uploaded: the commit or the working tree, byte for byte, or a refusal that says what to do."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.client.source import Package, pack, pack_pushed
from mooring.drivers.builder.archive import extract
from mooring.errors import SourceInvalid

Git = Callable[..., str]

ODD_NAMES = [
    b"plain.txt",
    b"with space",
    b"quote'\"`$(touch evil);&|*?",
    b"new\nline",
    b"tab\tand\\backslash",
    "ünïcödé/日本.txt".encode(),
    b"-rf",
    b"--upload-pack=evil",
    b" leading and trailing ",
    b"not utf-8 \xff\xfe",
    b"d/" * 20 + b"x" * 120,
]


@pytest.fixture(autouse=True)
def temporary_files_stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    place.mkdir()
    return place


@pytest.fixture
def git(repository: Path, tmp_path: Path) -> Git:
    """Run git in the repository, without any settings of this machine; the first call makes the repository."""

    def run(*arguments: str, directory: Path | None = None) -> str:
        where = directory or repository
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.test", "-c", "protocol.file.allow=always")
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
        answer = subprocess.run(["git", *identity, *arguments], cwd=where, env=environment, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    run("init", "--quiet", "--initial-branch=main")
    return run


@pytest.fixture
def committed(repository: Path, git: Git) -> Path:
    """A repository with one commit of two files."""
    (repository / "Procfile").write_text("web: ./serve\n")
    (repository / "serve").write_text("#!/bin/sh\n")
    (repository / "serve").chmod(0o755)
    git("add", "--all")
    git("commit", "--quiet", "--message=First light\n\nMore about it")
    return repository


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., tuple[Package, dict[str, str]]]:
    """Pack, unpack as the server would, and tell what came out: contents by path."""

    def run(directory: Path, **how: object) -> tuple[Package, dict[str, str]]:
        package = pack(directory, temporary=tmp_path, **how)  # type: ignore[arg-type]  # passed through
        tree = tmp_path / f"unpacked-{package.archive.stem}"
        assert extract(package.archive, tree).digest == package.source.digest
        return package, {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}

    return run


Packed = Callable[..., tuple[Package, dict[str, str]]]


def test_a_commit_is_packed_with_what_is_known_of_it(committed: Path, git: Git, packed: Packed) -> None:
    package, files = packed(committed)
    assert files == {"Procfile": "web: ./serve\n", "serve": "#!/bin/sh\n"}
    source = package.source
    assert (source.commit, source.branch, source.message, source.is_dirty) == (git("rev-parse", "HEAD"), "main", "First light", False)
    assert package.notes == ()
    assert package.archive.stat().st_mode & 0o777 == 0o600


def test_a_clean_working_tree_has_the_digest_of_its_commit(committed: Path) -> None:
    clean, dirty = pack(committed), pack(committed, dirty=True)
    assert dirty.source == clean.source


@pytest.mark.parametrize("dirty", [False, True], ids=["commit", "working tree"])
def test_odd_names_survive_byte_for_byte(dirty: bool, repository: Path, git: Git, tmp_path: Path) -> None:
    for name in ODD_NAMES:
        place = repository / os.fsdecode(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"\0\xff" + name + b"\r\n")
    git("add", "--all")
    git("commit", "--quiet", "--message=odd")
    package = pack(repository, dirty=dirty, temporary=tmp_path)
    extract(package.archive, tmp_path / "tree")
    found = {
        os.fsencode(path.relative_to(tmp_path / "tree")): path.read_bytes() for path in (tmp_path / "tree").rglob("*") if path.is_file()
    }
    assert found == {name: b"\0\xff" + name + b"\r\n" for name in ODD_NAMES}


def test_uncommitted_files_stay_behind_and_are_named(committed: Path, packed: Packed, git: Git) -> None:
    (committed / "Procfile").write_text("web: ./other\n")
    (committed / "ignored").write_text("x")
    (committed / ".gitignore").write_text("ignored\n")
    git("mv", "serve", "renamed")
    for name in ("a", "b\nc"):
        (committed / name).write_text("x")
    package, files = packed(committed)
    assert files == {"Procfile": "web: ./serve\n", "serve": "#!/bin/sh\n"}
    assert package.notes == (
        "5 uncommitted files are not deployed: Procfile, renamed, .gitignore … (commit first, or deploy with --dirty)",
    )
    assert not package.source.is_dirty


def test_one_uncommitted_file_is_one(committed: Path) -> None:
    (committed / "b\nc").write_text("x")
    assert pack(committed).notes == ("1 uncommitted file is not deployed: 'b\\nc' (commit first, or deploy with --dirty)",)


def test_a_dirty_working_tree_goes_as_it_is(committed: Path, packed: Packed, git: Git) -> None:
    (committed / "serve").unlink()
    (committed / "new").write_text("new")
    (committed / ".gitignore").write_text("*.log\n")
    (committed / "debug.log").write_text("x")
    package, files = packed(committed, dirty=True)
    assert files == {"Procfile": "web: ./serve\n", "new": "new", ".gitignore": "*.log\n"}
    assert (package.source.is_dirty, package.source.commit) == (True, git("rev-parse", "HEAD"))


def test_attributes_and_filters_change_nothing(committed: Path, packed: Packed, git: Git, tmp_path: Path) -> None:
    (committed / ".gitattributes").write_text("secret export-ignore\nversion export-subst\nserve filter=evil\n*.txt text eol=crlf\n")
    for name, content in {"secret": "kept", "version": "$Format:%H$", "a.txt": "one\ntwo\n"}.items():
        (committed / name).write_text(content)
    git("add", "--all")
    git("commit", "--quiet", "--message=attributes")
    git("config", "filter.evil.smudge", f"touch {tmp_path}/evil")
    _, files = packed(committed)
    assert (files["secret"], files["version"], files["a.txt"]) == ("kept", "$Format:%H$", "one\ntwo\n")
    assert not (tmp_path / "evil").exists()


def test_another_commit_may_be_named(committed: Path, git: Git, packed: Packed) -> None:
    git("tag", "v1")
    (committed / "Procfile").write_text("web: ./second\n")
    git("commit", "--quiet", "--all", "--message=second")
    package, files = packed(committed, commit="v1")
    assert files["Procfile"] == "web: ./serve\n"
    assert (package.source.message, package.source.branch, package.notes) == ("First light", "", ())


@pytest.mark.parametrize("name", ["--upload-pack=touch evil", "-x", "a..b", "HEAD:Procfile", "a b", "a\nb", "", "x" * 300, "ext::sh"])
def test_a_name_that_can_be_no_commit_is_refused_before_git_sees_it(name: str, committed: Path) -> None:
    with pytest.raises(SourceInvalid, match="cannot be the name of a commit"):
        pack(committed, commit=name)


def test_a_commit_that_is_not_there_is_told(committed: Path) -> None:
    with pytest.raises(SourceInvalid, match="there is no commit 'nowhere' in this repository"):
        pack(committed, commit="nowhere")
    with pytest.raises(SourceInvalid, match="there is no branch topic/x in this repository"):
        pack(committed, commit="refs/heads/topic/x")


def test_a_folder_of_a_repository_is_packed_alone(committed: Path, git: Git, packed: Packed) -> None:
    shop = committed / "services" / "shop"
    shop.mkdir(parents=True)
    (shop / "Procfile").write_text("web: ./shop\n")
    git("add", "--all")
    git("commit", "--quiet", "--message=shop")
    (committed / "elsewhere").write_text("x")
    (shop / "here").write_text("x")
    package, files = packed(shop)
    assert files == {"Procfile": "web: ./shop\n"}
    assert package.notes == ("1 uncommitted file is not deployed: here (commit first, or deploy with --dirty)",)
    assert packed(shop, dirty=True)[1] == {"Procfile": "web: ./shop\n", "here": "x"}


def test_a_folder_that_the_commit_does_not_hold_is_refused(committed: Path) -> None:
    (committed / "new").mkdir()
    (committed / "new" / "Procfile").write_text("web: x\n")
    with pytest.raises(SourceInvalid, match="holds nothing of this directory") as refusal:
        pack(committed / "new")
    assert "git add" in refusal.value.hint


def test_a_directory_that_is_no_repository_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceInvalid, match="this directory is no git repository") as refusal:
        pack(tmp_path / "plain")
    assert "git init" in refusal.value.hint
    assert "--dirty" in refusal.value.hint


def test_a_directory_that_is_no_repository_can_be_packed_as_it_is(tmp_path: Path, packed: Packed) -> None:
    plain = tmp_path / "plain"
    for name in ("Procfile", ".env", "node_modules/x/index.js", "deep/__pycache__/x.pyc", "deep/file"):
        (plain / name).parent.mkdir(parents=True, exist_ok=True)
        (plain / name).write_text("x")
    (plain / ".gitignore").write_text(".env\n")
    package, files = packed(plain, dirty=True)
    assert sorted(files) == [".gitignore", "Procfile", "deep/file"]
    assert package.notes[0].startswith("this is no git repository, so the directory went as it is")
    assert not (plain / ".git").exists()


def test_an_empty_directory_has_nothing_to_deploy(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceInvalid, match="there is nothing to deploy"):
        pack(tmp_path / "plain", dirty=True)
    with pytest.raises(SourceInvalid, match="there is no such directory"):
        pack(tmp_path / "nowhere", dirty=True)


def test_a_repository_without_a_commit_says_so(repository: Path, git: Git, packed: Packed) -> None:
    (repository / "Procfile").write_text("web: x\n")
    with pytest.raises(SourceInvalid, match="the repository has no commit yet") as refusal:
        pack(repository)
    assert "git commit" in refusal.value.hint
    package, files = packed(repository, dirty=True)
    assert (files, package.source.commit, package.source.branch) == ({"Procfile": "web: x\n"}, "", "main")


@pytest.mark.parametrize("dirty", [False, True], ids=["commit", "working tree"])
def test_a_submodule_is_refused_by_name(dirty: bool, committed: Path, git: Git, tmp_path: Path) -> None:
    git("clone", "--quiet", str(committed), str(tmp_path / "library"))
    git("submodule", "--quiet", "add", str(tmp_path / "library"), "vendor/library")
    git("commit", "--quiet", "--message=submodule")
    with pytest.raises(SourceInvalid, match="a submodule, whose content is not part of the archive: vendor/library") as refusal:
        pack(committed, dirty=dirty)
    assert "git rm --cached" in refusal.value.hint


def test_a_repository_inside_the_working_tree_is_refused_like_a_submodule(committed: Path, git: Git) -> None:
    git("clone", "--quiet", str(committed), str(committed / "inner"))
    with pytest.raises(SourceInvalid, match=r"a submodule.*: inner"):
        pack(committed, dirty=True)


@pytest.mark.parametrize("dirty", [False, True], ids=["commit", "working tree"])
@pytest.mark.parametrize("target", ["../outside", "/etc/passwd", "d/../../outside"])
def test_a_link_out_of_the_tree_is_refused_by_name(target: str, dirty: bool, committed: Path, git: Git) -> None:
    (committed / "link").symlink_to(target)
    git("add", "--all")
    git("commit", "--quiet", "--message=link")
    with pytest.raises(SourceInvalid, match="the link link cannot be deployed: it"):
        pack(committed, dirty=dirty)


def test_a_link_inside_the_tree_arrives_as_a_link(committed: Path, git: Git, tmp_path: Path) -> None:
    (committed / "bin").mkdir()
    (committed / "bin" / "serve").symlink_to("../serve")
    git("add", "--all")
    git("commit", "--quiet", "--message=link")
    clean, dirty = pack(committed, temporary=tmp_path), pack(committed, dirty=True, temporary=tmp_path)
    extract(clean.archive, tmp_path / "tree")
    assert (tmp_path / "tree" / "bin" / "serve").readlink() == Path("../serve")
    assert clean.source.digest == dirty.source.digest


def test_large_files_kept_by_lfs_are_pointed_out(committed: Path, git: Git) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    (committed / "photo.jpg").write_text(pointer)
    git("add", "--all")
    git("commit", "--quiet", "--message=lfs")
    assert "only the pointer is in git and deployed, not the content: photo.jpg" in pack(committed).notes[0]


def test_a_directory_left_over_in_the_environment_does_not_answer_for_another(
    committed: Path, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git("init", "--quiet", directory=other)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(other / ".git"))
    assert pack(committed).source.message == "First light"


def test_the_repositorys_own_settings_run_no_program(committed: Path, git: Git, tmp_path: Path) -> None:
    evil = tmp_path / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    evil.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "diff.external", "gpg.program"):
        git("config", key, str(evil))
    git("config", "log.showSignature", "true")
    (committed / "Procfile").write_text("web: changed\n")
    pack(committed)
    pack(committed, dirty=True)
    assert not (tmp_path / "ran").exists()


def test_a_machine_without_git_is_told(committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceInvalid, match="git is not installed"):
        pack(committed)


def test_content_that_git_lost_is_named(committed: Path, git: Git) -> None:
    identity = git("rev-parse", "HEAD:serve")
    (committed / ".git" / "objects" / identity[:2] / identity[2:]).unlink()
    with pytest.raises(SourceInvalid, match="git has not got the content of serve"):
        pack(committed)


def test_a_refusal_leaves_no_archive_behind(committed: Path, git: Git, tmp_path: Path) -> None:
    (committed / "link").symlink_to("/etc")
    with pytest.raises(SourceInvalid):
        pack(committed, dirty=True, temporary=tmp_path)
    assert list(tmp_path.glob("mooring-source-*")) == []


def test_too_large_a_file_is_refused_before_it_is_read(committed: Path) -> None:
    with (committed / "dump.sql").open("wb") as file:
        file.truncate(1_500_000_000)
    with pytest.raises(SourceInvalid, match=r"dump\.sql cannot be deployed: it has 1\.5 GB, the limit for a file is 1\.0 GB"):
        pack(committed, dirty=True)


def test_files_at_the_root_of_a_pushed_commit_are_replaced_whatever_stands_there(committed: Path, git: Git, tmp_path: Path) -> None:
    for made in ("mooring.toml/hidden", "sub/mooring.toml"):
        (committed / made).parent.mkdir()
        (committed / made).write_text("theirs")
    git("add", "--all")
    git("commit", "--quiet", "--message=a folder of that name")
    given = {"mooring.toml": b"ours"}
    package = pack_pushed(committed / ".git", git("rev-parse", "HEAD"), branch="x", temporary=tmp_path, replaced=given)
    tree = tmp_path / "tree"
    assert extract(package.archive, tree).digest == package.source.digest
    found = {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}
    assert found == {"Procfile": "web: ./serve\n", "serve": "#!/bin/sh\n", "mooring.toml": "ours", "sub/mooring.toml": "theirs"}
