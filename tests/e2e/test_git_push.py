"""`git push` as a way to deploy: real git over a real sshd, to a platform that lets a key push and do nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml
from e2e.platform import App, Platform
from e2e.sshd import Sshd

from mooring.client.client import Client
from mooring.client.location import controller_socket
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind

QUICK = '[deploy]\nbake = "0s"\n'


@dataclass
class Pusher:
    """Somebody with a key, and no account on the server but through it."""

    platform: Platform
    sshd: Sshd
    key: str = "pusher"

    @property
    def public(self) -> str:
        return (self.sshd.directory / f"{self.key}.pub").read_text()

    def address(self, name: str) -> str:
        return f"ssh://{self.sshd.user}@127.0.0.1:{self.sshd.port}/{name}"

    def ssh(self) -> list[str]:
        """With this key alone, whatever the account of the tests has."""
        options = {"UserKnownHostsFile": self.sshd.known_hosts, "IdentityFile": self.sshd.directory / self.key, "IdentitiesOnly": "yes"}
        options |= {"BatchMode": "yes", "ControlPath": "none", "IdentityAgent": "none"}
        return ["ssh", "-F", "none", *[word for name, value in options.items() for word in ("-o", f"{name}={value}")]]

    def push(self, app: App, *words: str, to: str = "") -> subprocess.CompletedProcess[str]:
        command = ["git", "push", self.address(to or app.name), *words]
        variables = {**self.platform.variables, "GIT_SSH_COMMAND": " ".join(self.ssh())}
        return subprocess.run(command, cwd=app.path, env=variables, capture_output=True, text=True, timeout=150)


@pytest.fixture(scope="module")
def pusher(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pusher]:
    sshd = Sshd(tmp_path_factory.mktemp("sshd"))
    sshd.make_key("pusher")
    sshd.make_key("stranger")
    sshd.trust()
    home = platform.directory / ".ssh"
    home.mkdir(mode=0o700)
    (home / "authorized_keys").symlink_to(sshd.directory / "authorized_keys")  # sshd reads the account's own, and this is its
    sshd.start()
    somebody = Pusher(platform, sshd)
    answer = platform.mooring("key", "add", "anna", stdin=somebody.public)
    assert answer.code == 0, answer
    yield somebody
    sshd.stop()


def test_a_pushed_branch_is_deployed_and_told_on_the_terminal(platform: Platform, pusher: Pusher) -> None:
    app = platform.app("flask-hello", "pushed")
    app.write("mooring.toml", QUICK)
    app.release(1)
    done = pusher.push(app, "main")
    assert done.returncode == 0, done.stderr
    assert app.version() == 1
    told = [line.removeprefix("remote: ").rstrip() for line in done.stderr.splitlines() if line.startswith("remote:")]
    assert any("Deploying pushed/production" in line for line in told), told
    assert any("build | " in line for line in told), told
    app.release(2)
    again = pusher.push(app, "main")
    assert again.returncode == 0, again.stderr
    assert "pushed/production v2 serves" in again.stderr
    assert app.version() == 2
    newest = Client(controller_socket(platform.state)).deployments(limit=1)[0]
    assert newest.requested_by == "key anna"


def test_a_branch_whose_deployment_fails_is_refused_and_can_be_pushed_again(platform: Platform, pusher: Pusher) -> None:
    app = platform.app("static-site", "mended")
    app.write("mooring.toml", QUICK)
    app.release(1)
    assert pusher.push(app, "main").returncode == 0
    good = app.git("rev-parse", "HEAD")
    app.write("mooring.toml", 'release = "echo the tables are missing; exit 3"\n' + QUICK)
    app.commit("a migration that fails")
    done = pusher.push(app, "main")
    assert done.returncode != 0
    assert "the tables are missing" in done.stderr
    assert "remote rejected" in done.stderr
    repository = platform.state / "git" / "mended.git"
    assert subprocess.run(["git", "rev-parse", "main"], cwd=repository, capture_output=True, text=True).stdout.strip() == good
    assert app.version() == 1
    app.write("mooring.toml", 'release = "true"\n' + QUICK)
    app.release(2)
    assert pusher.push(app, "main").returncode == 0
    assert app.version() == 2


def test_branches_deploy_the_environments_that_name_them(platform: Platform, pusher: Pusher) -> None:
    app = platform.app("static-site", "branched")
    app.write("mooring.toml", '[environments.dev]\nbranch = "develop"\n')
    app.release(1)
    app.git("switch", "--quiet", "--create", "develop")
    assert pusher.push(app, "develop").returncode == 0
    names = [row["environment"] for row in platform.mooring("status", "--json").json["environments"]]
    assert {"app": "branched", "environment": "dev"} in names
    assert {"app": "branched", "environment": "production"} not in names
    app.git("switch", "--quiet", "--create", "idea")
    app.release(2)
    refused = pusher.push(app, "idea")
    assert refused.returncode != 0
    assert "the branch idea deploys no environment" in refused.stderr
    assert "dev: develop; production: main or master" in " ".join(refused.stderr.replace("remote:", "").split())
    app.git("tag", "v2")
    assert "is no branch" in pusher.push(app, "v2").stderr
    removed = pusher.push(app, "--delete", "develop")
    assert removed.returncode == 0, removed.stderr
    assert "goes on" in removed.stderr


def test_a_repository_pushed_to_another_apps_name_is_refused(platform: Platform, pusher: Pusher) -> None:
    app = platform.app("static-site", "rightful")
    app.write("mooring.toml", 'app = "rightful"\n')
    app.release(1)
    done = pusher.push(app, "main", to="wrongful")
    assert done.returncode != 0
    assert "says that the app is rightful, and this was pushed to wrongful" in " ".join(done.stderr.replace("remote:", "").split())


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ((), "opens no shell"),
        (("id",), "for `git push` alone, not for 'id'"),
        (("git-upload-pack", "'/pushed'"), "for `git push` alone"),
        (("git-receive-pack", "'/pushed'; id"), "for `git push` alone"),
        (("git-receive-pack", "'/../state'"), "is not allowed"),
        (("git-receive-pack", "'--upload-pack=id'"), "is not allowed"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_a_key_that_may_push_can_do_nothing_else(pusher: Pusher, command: tuple[str, ...], said: str) -> None:
    where = ["-p", str(pusher.sshd.port), f"{pusher.sshd.user}@127.0.0.1"]
    done = subprocess.run([*pusher.ssh(), *where, *command], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    assert "uid=" not in done.stdout
    assert said in " ".join(done.stderr.split())


def test_a_key_is_held_to_its_apps_and_ends_when_it_is_taken_away(platform: Platform, pusher: Pusher) -> None:
    stranger = Pusher(platform, pusher.sshd, "stranger")
    app = platform.app("static-site", "guarded")
    assert "Permission denied" in stranger.push(app, "main").stderr
    assert platform.mooring("key", "add", "ben", "--only", "other", stdin=stranger.public).code == 0
    refused = stranger.push(app, "main")
    assert refused.returncode != 0
    assert "may not push to guarded" in refused.stderr
    assert platform.mooring("key", "add", "ben", "--only", "guarded", stdin=stranger.public).code == 0
    assert stranger.push(app, "main").returncode == 0
    assert platform.mooring("key", "rm", "ben").code == 0
    app.commit("once more")
    assert "Permission denied" in stranger.push(app, "main").stderr
    assert "anna" in platform.mooring("key", "ls").out


def test_a_key_with_which_one_may_log_in_is_not_taken_for_pushing(platform: Platform, pusher: Pusher) -> None:
    """sshd would take the line that opens a shell, and git would find no repository there."""
    own = Pusher(platform, pusher.sshd, "id")
    answer = platform.mooring("key", "add", "own", stdin=own.public)
    assert answer.code == 2
    assert "this key is known to this account without Mooring" in " ".join(answer.err.split())


def test_what_ci_init_writes_pushes_as_it_stands(platform: Platform, pusher: Pusher) -> None:
    app = platform.app("static-site", "piped")
    app.write("mooring.toml", QUICK)
    written = app.mooring("ci", "init", "github", "--server", f"ssh://{pusher.sshd.user}@127.0.0.1:{pusher.sshd.port}")
    assert written.code == 0, written
    app.release(1)
    script = yaml.safe_load((app.path / ".github" / "workflows" / "deploy.yml").read_text())["jobs"]["deploy"]["steps"][1]["run"]
    home = platform.directory / "runner"
    home.mkdir()
    secrets = {"MOORING_KEY": (pusher.sshd.directory / "pusher").read_text(), "MOORING_KNOWN_HOSTS": pusher.sshd.known_hosts.read_text()}
    variables = {**platform.variables, **secrets, "HOME": str(home)}
    done = subprocess.run(["sh", "-e", "-c", script], cwd=app.path, env=variables, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    assert app.version() == 1
    assert (home / ".ssh" / "mooring").stat().st_mode & 0o777 == 0o600


def test_what_one_environment_runs_is_promoted_without_being_built_again(platform: Platform) -> None:
    app = platform.app("static-site", "promoted")
    app.write("mooring.toml", QUICK)
    app.release(1)
    assert app.deploy("-e", "staging").code == 0
    app.release(2)  # not on staging
    done = app.mooring("promote", "staging", "production")
    assert done.code == 0, done
    assert "nothing is built: staging v1 runs the artifact" in done.out
    assert app.version() == 1
    releases = [app.mooring("releases", "-e", name, "--json").json["releases"][0] for name in ("staging", "production")]
    assert releases[0]["artifact"]["id"] == releases[1]["artifact"]["id"]
    assert releases[0]["source"] == releases[1]["source"]
    assert releases[1]["promotion"]["notes"]["history"] == "first"
    asked = Client(controller_socket(platform.state))
    kinds = [[event.kind for event in asked.events(environment=EnvironmentId("promoted", name))] for name in ("staging", "production")]
    assert [each.count(EventKind.BUILD_DETECTED) for each in kinds] == [1, 0]


def test_a_promotion_whose_artifact_is_gone_is_refused_and_what_serves_serves_on(platform: Platform) -> None:
    app = platform.app("static-site", "unpromoted")
    app.write("mooring.toml", QUICK)
    app.release(1)
    assert app.deploy().code == 0
    app.release(2)
    assert app.deploy("-e", "staging").code == 0
    release = app.mooring("releases", "-e", "staging", "--json").json["releases"][0]
    record = platform.state / "workshop" / "artifacts" / f"{release['artifact']['id']}.json"
    record.rename(record.with_suffix(".away"))
    refused = app.mooring("promote", "staging", "production")
    assert refused.code == 2, refused
    assert "the artifact of staging v1 is not there any more" in refused.err
    assert f"`mooring deploy -e production --ref {release['source']['commit'][:12]}`" in refused.err
    assert app.version() == 1
    assert len(app.mooring("releases", "--json").json["releases"]) == 1
    record.with_suffix(".away").rename(record)
    done = app.mooring("promote", "staging", "production")
    assert done.code == 0, done
    assert app.version() == 2
    assert "version 2" in app.mooring("releases", "v2").out


def test_a_branch_that_asks_for_it_has_a_review_app_until_it_is_removed(platform: Platform, pusher: Pusher) -> None:
    app = platform.app("static-site", "reviewed")
    app.write("mooring.toml", '[review]\nbranches = ["deploy-*"]\naccess = "open"\n' + QUICK)
    app.release(1)
    app.git("switch", "--quiet", "--create", "deploy-checkout")
    done = pusher.push(app, "deploy-checkout")
    assert done.returncode == 0, done.stderr
    (shown,) = app.mooring("review", "ls", "--json").json["reviews"]
    assert shown["branch"] == "deploy-checkout"
    host = shown["summary"]["urls"][0].removeprefix("http://")
    assert app.get("/version", headers={"Host": host})[0] == 200
    removed = pusher.push(app, "--delete", "deploy-checkout")
    assert removed.returncode == 0, removed.stderr
    for kind in ("instance", "route", "certificate", "volume", "log", "config", "release"):
        assert f"✓ {kind}: gone" in removed.stderr, removed.stderr
    assert app.mooring("review", "ls", "--json").json["reviews"] == []
    assert app.get("/version", headers={"Host": host})[0] == 404
