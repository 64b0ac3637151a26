"""What a forge of the tests shows of deployments, environments and commits, and how it changes by what it is told.

docs.github.com, "REST API endpoints for deployments", "… for deployment environments", "… for commit comments"; docs.gitlab.com,
"Deployments API", "Environments API", "Discussions API: Commits".
"""

from __future__ import annotations

import itertools
import re
from typing import Any

_DEPLOYMENT = re.compile(r"/deployments(?:/(\d+))?(?:/statuses)?\Z")
_ENVIRONMENT = re.compile(r"/environments(?:/([^/]+))?(/stop)?\Z")
_ON_COMMIT = re.compile(r"/commits/([0-9a-f]{40})/(comments|discussions)\Z")
_COMMENT = re.compile(r"/comments/(\d+)\Z")
_NOTE = re.compile(r"/discussions/(\w+)/notes/(\d+)\Z")

Answer = tuple[int, Any]


class Exhibits:
    """`deployments` and `environments` by number, `comments` by commit; `may_delete`: the token may administer the repository."""

    def __init__(self) -> None:
        self.deployments: dict[int, dict[str, Any]] = {}
        self.environments: dict[int, dict[str, Any]] = {}
        self.comments: dict[str, list[dict[str, Any]]] = {}
        self.may_delete = True
        self.takes_comments = True
        self._numbers = itertools.count(4711)

    def alive(self, environment: str) -> list[tuple[str, str]]:
        """The commit and the address of each deployment of it that is shown as one that serves."""
        shown = [each for each in self.deployments.values() if each["environment"] == environment and each["state"] == "success"]
        return [(each["commit"], each["url"]) for each in shown]

    def on_commit(self, commit: str) -> list[str]:
        """The comments."""
        return [_first(each)["body"] for each in self.comments.get(commit, [])]

    def found(self, place: str, query: str) -> Any:
        """What a GET gives; None where it is about something else."""
        if (on_commit := _ON_COMMIT.search(place)) is not None:
            return self.comments.get(on_commit[1], [])
        if _ENVIRONMENT.search(place) is not None:
            name = dict(part.split("=") for part in query.split("&"))["name"]
            return [each for each in self.environments.values() if each["name"] == name]
        return None

    def told(self, method: str, place: str, body: dict[str, Any]) -> Answer | None:
        """None where it is about something else."""
        if (one := _DEPLOYMENT.search(place)) is not None:
            return self._deployed(int(one[1]), body) if one[1] else self._made(body)
        if (one := _ENVIRONMENT.search(place)) is not None:
            return self._changed(method, one[1], body, is_stopped=bool(one[2]))
        if (one := _ON_COMMIT.search(place)) is not None:
            return self._commented(one[1], body, is_thread=one[2] == "discussions")
        number = _NOTE.search(place) or _COMMENT.search(place)
        known = [] if number is None else [_first(each) for listed in self.comments.values() for each in listed]
        for each in known:
            if number is not None and each["id"] == int(number[number.lastindex or 1]):
                each["body"] = body["body"]
                return 200, each
        return None

    def _made(self, body: dict[str, Any]) -> Answer:
        number, name = next(self._numbers), body["environment"]
        place = next((each for each in self.environments.values() if each["name"] == name), None)
        if place is None:
            place = {"id": 9 + len(self.environments), "name": name, "external_url": None}
            self.environments[place["id"]] = place
        place["state"] = "available"
        made = {"environment": name, "commit": body.get("sha") or body["ref"], "state": body.get("status", "pending"), "url": ""}
        self.deployments[number] = made
        return 201, {"id": number, "environment": place}

    def _deployed(self, number: int, body: dict[str, Any]) -> Answer:
        known = self.deployments.get(number)
        if known is None:
            return 404, {"message": "Not Found"}
        known |= {"state": body.get("state") or body["status"], "url": body.get("environment_url", "")}
        place = next((each for each in self.environments.values() if each["name"] == known["environment"]), None)
        return 201, {"id": number, "environment": place}

    def _changed(self, method: str, named: str, body: dict[str, Any], *, is_stopped: bool) -> Answer:
        known = next((each for each in self.environments.values() if named in (str(each["id"]), each["name"])), None)
        if known is None:
            return 404, {"message": "Not Found"}
        if method == "DELETE":
            if not self.may_delete:
                return 403, {"message": "Resource not accessible by personal access token"}
            del self.environments[known["id"]]
            return 204, None
        known |= {"state": "stopped"} if is_stopped else body
        return 200, known

    def _commented(self, commit: str, body: dict[str, Any], *, is_thread: bool) -> Answer:
        if not self.takes_comments:
            return 403, {"message": "Resource not accessible by personal access token"}
        note = {"id": next(self._numbers), "body": body["body"]}
        made = {"id": f"{note['id']:040x}", "individual_note": False, "notes": [note]} if is_thread else note
        self.comments.setdefault(commit, []).append(made)
        return 201, made


def _first(comment: dict[str, Any]) -> dict[str, Any]:
    """The note that a thread begins with; a comment is one itself."""
    return comment["notes"][0] if "notes" in comment else comment
