"""A forge on a port of this machine: it answers the API's calls and keeps what was posted. Bodies are as the forges document them."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from forge.exhibits import Answer, Exhibits

_pushes, _comments = itertools.count(), itertools.count(900)
_PULL = re.compile(r"/(?:pulls|issues|merge_requests)(?:/(\d+))?(/comments|/notes)?\Z")
_COMMENT = re.compile(r"/(?:comments|notes)/(\d+)\Z")
_IS_COMMENT = re.compile(r"/(?:comments|notes)(?:/\d+)?\Z")
TOKEN, SECRET = "ghp_0123456789abcdefTOKEN", "a-hook-secret-of-some-length"
ZEROS = "0" * 40


class FakeForge:
    """`posted` holds method, path and body of what was told; `answers` gives bodies by the end of a path; `fails` the next that many.

    `pulls` are the requests to merge something, by number, as its kind of forge writes them; `comments` what each was told, oldest first;
    `exhibits` what it shows of deployments, environments and commits.
    """

    def __init__(self) -> None:
        self.posted: list[tuple[str, str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: dict[str, Any] = {}
        self.fails = 0
        self.pulls: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.exhibits = Exhibits()
        self.unlisted: set[int] = set()  # open, and not in the list for once
        self.shows_pulls = True
        self.forgets_answer = False  # of the next comment
        self.told = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def ours(self, number: int) -> list[str]:
        """The comments on a pull request."""
        return [each["body"] for each in self.comments.get(number, [])]

    def found(self, path: str) -> Any:
        """What a GET gives; None where there is no such thing."""
        place, _, query = unquote(path).partition("?")
        if (one := _PULL.search(place)) is not None:
            if not self.shows_pulls:
                return None
            number, below = int(one[1] or 0), one[2]
            if below:
                return self._page(self.comments.get(number, []), query)
            if number:
                return self.pulls.get(number)
            listed = [each for number, each in self.pulls.items() if number not in self.unlisted]
            return self._page([each for each in listed if each["state"] in ("open", "opened")], query)
        if (shown := self.exhibits.found(place, query)) is not None:
            return self._page(shown, query)
        answer = next((answer for ending, answer in self.answers.items() if place.endswith(ending)), None)
        if isinstance(answer, dict):  # pages of a field
            return {name: self._page(rows, query) if isinstance(rows, list) else rows for name, rows in answer.items()}
        return self._page(answer, query) if isinstance(answer, list) else answer

    def received(self, method: str, place: str, body: dict[str, Any]) -> Answer:
        """What it answers to that."""
        shown = self.exhibits.told(method, place, body)
        if shown is not None:
            return shown
        return 201, self.comment(place, body) if _IS_COMMENT.search(place) else {"id": 1}

    def comment(self, place: str, body: dict[str, Any]) -> dict[str, Any]:
        """Written, or written anew."""
        if (one := _COMMENT.search(place)) is not None:
            known = next(each for listed in self.comments.values() for each in listed if each["id"] == int(one[1]))
            known["body"] = body["body"]
            return known
        found = _PULL.search(place)
        assert found is not None
        made = {"id": next(_comments), "body": body["body"]}
        self.comments.setdefault(int(found[1]), []).append(made)
        return made

    def _page(self, rows: list[Any], query: str) -> list[Any]:
        asked = dict(part.split("=") for part in query.split("&") if part)
        size, number = int(asked.get("per_page") or asked.get("limit") or 1000), int(asked.get("page", 1))
        return rows[(number - 1) * size : number * size]

    def statuses(self, commit: str = "") -> list[dict[str, Any]]:
        return [body for _, path, body in self.posted if "/statuses/" in path and "/deployments/" not in path and commit in path]

    def wait(self, found: Any, *, within: float = 60) -> Any:
        """What `found` gives once it is true."""
        deadline = time.monotonic() + within
        while not (answer := found()):
            assert time.monotonic() < deadline, self.posted
            with self.told:
                self.told.wait(0.05)
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        forge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                forge.headers.append({name.lower(): value for name, value in self.headers.items()})
                found = forge.found(self.path)
                self._answer(404 if found is None else 200, found)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                forge.headers.append({name.lower(): value for name, value in self.headers.items()})
                if forge.fails:
                    forge.fails -= 1
                    self._answer(502, {"message": "bad gateway"})
                    return
                path = unquote(self.path)
                with forge.told:
                    forge.posted.append((self.command, path, body))
                    status, made = forge.received(self.command, path, body)
                    forge.told.notify_all()
                if forge.forgets_answer and _IS_COMMENT.search(path):
                    forge.forgets_answer = False
                    self.close_connection = True
                    return
                self._answer(status, made)

            do_PUT = do_PATCH = do_DELETE = do_POST

            def _answer(self, status: int, body: Any) -> None:
                content = b"" if status == 204 else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@contextmanager
def forge_running() -> Iterator[FakeForge]:
    forge = FakeForge()
    try:
        yield forge
    finally:
        forge.close()


def signed(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def encoded(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload).encode()


def github_headers(event: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "user-agent": "GitHub-Hookshot/044aadd",
        "x-github-event": event,
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "x-hub-signature-256": f"sha256={signed(body, secret)}",
    }


def github_push(
    *, branch: str = "main", after: str = "6113728f27ae82c7b1a177c8d03f9e96e0adf246", at: float, repo: str = "acme/shop"
) -> bytes:
    return encoded(
        {
            "ref": f"refs/heads/{branch}",
            "before": ZEROS,
            "after": after,
            "created": False,
            "deleted": after == ZEROS,
            "forced": False,
            "compare": f"https://github.com/{repo}/compare/{next(_pushes):012x}...{after[:12]}",  # no two pushes have one message
            "repository": {"id": 186853002, "name": repo.split("/")[1], "full_name": repo, "private": False, "pushed_at": int(at)},
            "pusher": {"name": "Codertocat"},
            "head_commit": None if after == ZEROS else {"id": after, "message": "Update README.md", "timestamp": "2019-05-15T15:20:30Z"},
            "commits": [],
        }
    )


def pull_request(
    *, action: str = "opened", head: str = "acme/shop", branch: str = "changes", at: str = "2026-11-21T12:00:00Z", repo: str = "acme/shop"
) -> dict[str, Any]:
    return {
        "action": action,
        "number": 2,
        "pull_request": {
            "number": 2,
            "state": "open",
            "updated_at": at,
            "labels": [{"id": 1, "name": "preview"}],
            "head": {"ref": branch, "sha": "ec26c3e57ca3a959ca5aad62de7213c562f8c821", "repo": {"full_name": head, "fork": head != repo}},
            "base": {"ref": "main", "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "repo": {"full_name": repo, "fork": False}},
        },
        "repository": {"id": 186853002, "full_name": repo},
    }


def listed_pull(
    number: int,
    *,
    branch: str,
    head: str,
    repo: str = "acme/shop",
    fork: str = "",
    base: str = "main",
    labels: Sequence[str] = (),
    at: str = "2026-11-21T12:00:00Z",
) -> dict[str, Any]:
    """As GitHub and Gitea list one: docs.github.com, "List pull requests"; docs.gitea.com, "List a repo's pull requests"."""
    return {
        "id": number * 1000,
        "number": number,
        "state": "open",
        "created_at": at,
        "labels": [{"id": place, "name": label} for place, label in enumerate(labels)],
        "head": {"label": f"acme:{branch}", "ref": branch, "sha": head, "repo": {"full_name": fork or repo}},
        "base": {"label": f"acme:{base}", "ref": base, "sha": ZEROS, "repo": {"full_name": repo}},
    }


def listed_merge_request(
    number: int, *, branch: str, head: str, source: int = 15, base: str = "main", labels: Sequence[str] = ()
) -> dict[str, Any]:
    """As GitLab lists one: docs.gitlab.com, "List project merge requests"."""
    return {
        "id": number * 1000,
        "iid": number,
        "state": "opened",
        "source_branch": branch,
        "target_branch": base,
        "source_project_id": source,
        "target_project_id": 15,
        "sha": head,
        "labels": list(labels),
    }


def remembered(
    kind: str, *, pushed: Sequence[tuple[str, str]], labelled: Sequence[str], label: str = "deploy-preview", number: int = 2
) -> dict[str, Any]:
    """What a forge remembers of a pull request, by the end of the path at which it tells it. `pushed`: commits, each with its time.

    docs.github.com, "List issue events", "List repository activities"; docs.gitlab.com, "Resource label events", "Merge request diff
    versions"; docs.gitea.com, "List all comments and events on an issue". The first push of a Gitea pull request is no entry there.
    """
    named = {"id": 9, "name": label}
    if kind == "github":
        events = [{"id": 1, "event": "subscribed", "created_at": pushed[0][1]}]
        events += [{"id": 2, "event": "labeled", "label": named, "created_at": at} for at in labelled]
        row = {"id": 3, "activity_type": "push", "ref": "refs/heads/main", "before": ZEROS}
        return {f"/issues/{number}/events": events, "/activity": [{**row, "after": commit, "timestamp": at} for commit, at in pushed[::-1]]}
    if kind == "gitlab":
        place = f"/merge_requests/{number}"
        events = [{"id": 1, "action": "add", "label": named, "created_at": at} for at in labelled]
        versions = [{"id": 110 + row, "head_commit_sha": commit, "created_at": at} for row, (commit, at) in enumerate(pushed)]
        return {f"{place}/resource_label_events": events, f"{place}/versions": versions[::-1]}
    entries = [{"id": 1, "type": "label", "body": "1", "label": named, "created_at": at} for at in labelled]
    for row, (commit, at) in enumerate(pushed[1:]):
        body = json.dumps({"is_force_push": False, "commit_ids": ["0" * 40, commit]})
        entries.append({"id": 20 + row, "type": "pull_push", "body": body, "created_at": at})
    return {f"/issues/{number}/timeline": entries}


def gitlab_push(*, branch: str = "main", after: str = "da1560886d4f094c3e6c9ef40349f7d38b5d27d7", repo: str = "acme/shop") -> bytes:
    return encoded(
        {
            "object_kind": "push",
            "event_name": "push",
            "before": "95790bf891e76fee5e1747ab589903a6a1f80f22",
            "after": after,
            "ref": f"refs/heads/{branch}",
            "checkout_sha": None if after == ZEROS else after,
            "user_username": "jsmith",
            "project_id": 15,
            "project": {"id": 15, "name": "Shop", "path_with_namespace": repo, "default_branch": "main"},
            "commits": [],
            "total_commits_count": 0,
        }
    )


def gitlab_merge_request(*, action: str = "open", source: int = 15, at: str = "2026-11-21 12:00:00 UTC") -> bytes:
    return encoded(
        {
            "object_kind": "merge_request",
            "event_type": "merge_request",
            "project": {"id": 15, "path_with_namespace": "acme/shop"},
            "object_attributes": {
                "id": 99,
                "iid": 1,
                "source_branch": "ms-viewport",
                "target_branch": "main",
                "source_project_id": source,
                "target_project_id": 15,
                "updated_at": at,
                "action": action,
                "state": "opened",
            },
            "labels": [{"id": 206, "title": "preview", "type": "ProjectLabel"}],
        }
    )


def gitea_headers(event: str, body: bytes, secret: str = SECRET, *, name: str = "gitea") -> dict[str, str]:
    return {
        "content-type": "application/json",
        f"x-{name}-delivery": "f6266f16-1bf3-46a5-9ea4-602e06ead473",
        f"x-{name}-event": event,
        f"x-{name}-signature": signed(body, secret),
    }


def gitea_push(*, branch: str = "develop", after: str = "bffeb74224043ba2feb48d137756c8a9331c449a", repo: str = "acme/shop") -> bytes:
    return encoded(
        {
            "ref": f"refs/heads/{branch}",
            "before": "28e1879d029cb852e4844d9c718537df08844e03",
            "after": after,
            "compare_url": "http://localhost:3000/acme/shop/compare/28e1879…bffeb74",
            "commits": [{"id": after, "message": "Webhooks Yay!"}],
            "repository": {"id": 140, "name": "shop", "full_name": repo, "clone_url": "http://localhost:3000/acme/shop.git"},
            "pusher": {"id": 1, "login": "gitea"},
        }
    )
