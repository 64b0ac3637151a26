"""A forge whose pushes deploy: the whole platform, real git, and a server of the tests' own that answers as the forge would."""

from __future__ import annotations

from e2e.platform import Platform
from forge.server import SECRET, TOKEN, forge_running

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
