"""`mooring cp` both ways: whole or not at all, with modes, through no link, and with a reason where it is refused."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from e2e.platform import App, Platform

LARGE = 30_000_000


@pytest.fixture(scope="module")
def app(platform: Platform) -> App:
    app = platform.app("witness", "copied")
    app.write("Procfile", "web: exec python3 -m http.server --bind 127.0.0.1 $PORT\n")
    app.commit("an app")
    answer = app.deploy()
    assert answer.code == 0, answer
    return app


@pytest.fixture
def there(platform: Platform, request: pytest.FixtureRequest) -> Path:
    """A place that the instance can write to."""
    place = platform.directory / f"there-{abs(hash(request.node.name)) % 100_000}"
    place.mkdir()
    return place


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_large_file_goes_in_and_comes_out_unchanged_with_its_mode(app: App, there: Path) -> None:
    content = os.urandom(1_000_000) * (LARGE // 1_000_000)
    (app.path / "large.bin").write_bytes(content)
    (app.path / "large.bin").chmod(0o750)
    answer = app.mooring("cp", "large.bin", f"web.1:{there}")
    assert answer.code == 0, answer
    assert answer.out == f"1 file, 30.0 MB: large.bin → web.1:{there}\n"
    assert hashlib.sha256((there / "large.bin").read_bytes()).digest() == hashlib.sha256(content).digest()
    assert mode(there / "large.bin") == 0o750
    back = app.mooring("cp", "--json", f"copied.web:{there}/large.bin", "back.bin")
    assert back.json == {"from": f"copied.web:{there}/large.bin", "to": "back.bin", "files": 1, "bytes": LARGE}
    assert (app.path / "back.bin").read_bytes() == content
    assert mode(app.path / "back.bin") == 0o750
    assert [path.name for path in there.iterdir()] == ["large.bin"]


def test_a_directory_goes_with_all_that_is_in_it_and_links_are_followed_where_they_are_read(app: App, there: Path) -> None:
    tree = app.path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "deep" / "er" / "ü -n 'x'").write_text("odd")
    (tree / "empty").mkdir()
    (tree / "link").symlink_to("deep/er/ü -n 'x'")
    assert app.mooring("cp", "tree", f"web:{there}/new").code == 0
    assert (there / "new" / "link").read_text() == "odd"
    assert not (there / "new" / "link").is_symlink()
    assert (there / "new" / "empty").is_dir()
    (there / "new" / "outward").symlink_to(there / "new" / "deep")
    assert app.mooring("cp", f"web:{there}/new", "came").code == 0
    assert (app.path / "came" / "outward" / "er" / "ü -n 'x'").read_text() == "odd"
    assert not (app.path / "came" / "outward").is_symlink()


def test_a_link_at_the_place_is_replaced_and_never_written_through(app: App, there: Path) -> None:
    (app.path / "new.txt").write_text("new")
    for place in (there, app.path):
        (place / "precious").write_text("precious")
        (place / "link.txt").symlink_to("precious")
    assert app.mooring("cp", "new.txt", f"web:{there}/link.txt").code == 0
    assert app.mooring("cp", f"web:{there}/link.txt", "link.txt").code == 0
    for place in (there, app.path):
        assert ((place / "precious").read_text(), (place / "link.txt").read_text()) == ("precious", "new")


@pytest.mark.parametrize(
    ("source", "destination", "code", "said"),
    [
        ("absent", "web:{there}", 2, "there is no"),
        ("web:{there}/absent", ".", 1, "there is no {there}/absent"),
        ("web:/absent", ".", 1, "web:/absent: it cannot be copied: there is no /absent"),
        ("VERSION", "web:{there}/no/place", 1, "there is no directory {there}/no"),
        ("VERSION", "web:/proc/place", 1, "cannot be copied"),
        ("tree2", "web:{there}/taken", 1, "is a directory that is there already"),
        ("web:{there}/..", "fresh", 2, "names nothing that can be copied"),
        ("VERSION", "other", 2, "one of the two has to be of an instance"),
        ("web:/a", "web:/b", 2, "one of the two has to be of an instance"),
        ("VERSION", "web.9:/tmp/x", 2, "has no web.9"),
        ("web:{there}/taken", "/proc", 1, "cannot be written"),
        ("loop", "web:{there}", 2, "a link to a directory around it"),
    ],
)
def test_what_cannot_be_copied_is_refused_and_changes_nothing(
    app: App, there: Path, source: str, destination: str, code: int, said: str
) -> None:
    (app.path / "VERSION").write_text("1")
    (app.path / "tree2").mkdir(exist_ok=True)
    (app.path / "loop").mkdir(exist_ok=True)
    if not (app.path / "loop" / "around").is_symlink():
        (app.path / "loop" / "around").symlink_to("..")
    (there / "taken" / "tree2").mkdir(parents=True)
    before = sorted(there.rglob("*"))
    answer = app.mooring("cp", source.format(there=there), destination.format(there=there))
    assert (answer.code, answer.out) == (code, ""), answer
    assert said.format(there=there) in " ".join(answer.err.split()), answer
    assert sorted(there.rglob("*")) == before
    assert not list(app.path.glob(".mooring*"))
