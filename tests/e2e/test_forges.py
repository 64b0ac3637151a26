"""A forge whose pushes deploy: the whole platform, real git, and a server of the tests' own that answers as the forge would."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

from e2e.platform import Platform
from forge.server import SECRET, TOKEN, forge_running, listed_pull, remembered

QUICK = '[deploy]\nbake = "0s"\n'


def test_what_is_pushed_to_a_forge_is_deployed_without_a_hook_reaching_the_platform(platform: Platform) -> None:
    app = platform.app("static-site", "forged")
    app.write("mooring.toml", QUICK)
    app.release(1)
    with forge_running() as forge:
        forge.answers["/repos/acme/forged"] = {"full_name": "acme/forged", "permissions": {"push": True}}
        words = ("--repo", "acme/forged", "--url", forge.url, "--clone", f"file://{app.path}", "--every", "5s")
        added = app.mooring("forge", "add", "gitea", *words, stdin=f"{TOKEN}\n{SECRET}\n")
        assert added.code == 0, added
        assert app.get("/version")[0] == 404
        app.release(2)
        commit = app.git("rev-parse", "HEAD")
        last = forge.wait(lambda: [each for each in forge.statuses(commit) if each["state"] != "pending"])[-1]
        assert last["state"] == "success", last
        assert last["target_url"] == f"http://forged.localhost:{platform.port}"
        assert app.version() == 2
        listed = platform.mooring("forge", "ls")
        assert "acme/forged" in listed.out and TOKEN not in listed.out + added.out + added.err
        assert platform.mooring("forge", "rm", "--app", "forged").code == 0
        log = (platform.state / "log" / "controller.log").read_text()
        assert TOKEN not in log and SECRET not in log


def test_a_strangers_pull_request_is_run_by_the_teams_own_rules_after_its_label_and_goes_without_it(platform: Platform) -> None:
    """Found by looking alone. Its own mooring.toml would open it to everybody: nobody reads that.

    All runs as the platform's own user here, so the label alone is not enough: the operator has to have said so.
    """
    app = platform.app("static-site", "lent")
    app.write("mooring.toml", f"{QUICK}[review]\npull_requests = true\n")
    app.release(1)
    app.git("switch", "--quiet", "--create", "theirs")
    app.write("mooring.toml", f'{QUICK}[review]\npull_requests = true\naccess = "open"\nfork_label = "mine"\n')
    app.release(7)
    commit = app.git("rev-parse", "HEAD")
    app.git("update-ref", "refs/pull/2/head", commit)
    app.git("switch", "--quiet", "main")
    app.git("branch", "--quiet", "-D", "theirs")
    with forge_running() as forge:
        forge.answers["/repos/acme/lent"] = {"full_name": "acme/lent", "permissions": {"push": True}}
        words = ("--repo", "acme/lent", "--url", forge.url, "--clone", f"file://{app.path}", "--every", "5s")
        assert app.mooring("forge", "add", "github", *words, stdin=f"{TOKEN}\n{SECRET}\n").code == 0
        forge.pulls[2] = listed_pull(2, branch="main", head=commit, repo="acme/lent", fork="stranger/lent", labels=["deploy-preview"])
        forge.answers |= remembered("github", pushed=[(commit, "2026-11-21T11:00:00Z")], labelled=["2026-11-21T11:05:00Z"])
        refusal = forge.wait(lambda: forge.ours(2), within=150)[0]
        assert "`this is a stranger's code, and nothing on the controller's own machine keeps it apart" in refusal, refusal
        answer = platform.mooring("up", "--unconfined-strangers")
        assert answer.code == 0, answer
        forge.pulls[2]["labels"] = []
        forge.wait(lambda: "is gone" in forge.ours(2)[0], within=150)
        forge.pulls[2]["labels"] = [{"id": 1, "name": "deploy-preview"}]
        comment = forge.wait(lambda: [each for each in forge.ours(2) if "http" in each], within=150)[0]
        assert "a stranger's code" in comment, comment
        url = next(word for word in comment.split() if word.startswith("http"))
        host = urlsplit(url).hostname or ""
        assert host.startswith("lent--pull-2-main-")
        assert app.get("/version", headers={"Host": host})[0] == 401, "the team's rules: it asks for a password"
        said = app.mooring("review", "access", "pull-2:main").out.split()[-1]
        known = base64.b64encode(f"review:{said}".encode()).decode()
        assert app.get("/version", headers={"Host": host, "Authorization": f"Basic {known}"})[1].strip() == b"7"
        assert app.get("/version")[0] == 404, "nothing of the team's own was deployed"
        forge.pulls[2] = listed_pull(2, branch="main", head=commit, repo="acme/lent", fork="stranger/lent")
        forge.wait(lambda: "is gone" in forge.ours(2)[0], within=150)
        assert len(forge.ours(2)) == 1
        assert app.get("/version", headers={"Host": host})[0] == 404
        assert platform.mooring("forge", "rm", "--app", "lent").code == 0
