"""The part of the fake platform that knows forges: each answers, unless its app is in `silent`."""

from __future__ import annotations

from mooring.errors import NotFound
from mooring.model.forge import ForgeLink
from mooring.usecases.answers import ForgeChecked, ForgeStatus
from mooring.usecases.forges import link_of
from mooring.usecases.requests import ForgeRequest


class FakeForges:
    def __init__(self) -> None:
        self.asked: list[ForgeRequest] = []
        self.links: dict[str, ForgeLink] = {}
        self.silent: dict[str, str] = {}

    def forges(self) -> tuple[ForgeStatus, ...]:
        return tuple(ForgeStatus(link=link, age=12.4, error=self.silent.get(app, "")) for app, link in sorted(self.links.items()))

    def add_forge(self, request: ForgeRequest) -> ForgeChecked:
        self.asked.append(request)
        self.links[request.app] = link_of(request)
        return self.check_forge(request.app)

    def check_forge(self, app: str) -> ForgeChecked:
        return ForgeChecked(link=self._link(app), said="acme/shop is there, and the token may set its statuses", branches=2)

    def remove_forge(self, app: str) -> ForgeLink:
        self._link(app)
        return self.links.pop(app)

    def _link(self, app: str) -> ForgeLink:
        if app not in self.links:
            raise NotFound(f"{app} has no forge", hint="`mooring forge ls` lists those there are")
        return self.links[app]
