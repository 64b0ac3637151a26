"""The forges of apps: added, looked at, and listened to. Must not: believe what is not signed, or show a secret."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

from mooring.drivers.forge.remote import check_url
from mooring.drivers.forge.signing import check_hook_secret
from mooring.errors import InvalidInput, NotFound, Unauthorized
from mooring.model.access import Actor
from mooring.model.environment import PRODUCTION, EnvironmentId
from mooring.model.forge import LATEST, SOONEST, Checked, ForgeKind, ForgeLink, ForgeSecrets
from mooring.model.names import AppName, app_name
from mooring.model.secret import Secret
from mooring.usecases.answers import ForgeChecked, ForgeHeard, ForgeStatus
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform
from mooring.usecases.requests import ForgeRequest

WINDOW = 86_400.0  # seconds that a message may be on its way
KEPT = 30 * 86_400.0  # seconds that a message is known again
_HOMES = {ForgeKind.GITHUB: "https://github.com", ForgeKind.GITLAB: "https://gitlab.com", ForgeKind.GITEA: "https://codeberg.org"}
_APIS = {ForgeKind.GITHUB: "/api/v3", ForgeKind.GITLAB: "/api/v4", ForgeKind.GITEA: "/api/v1"}


def forges(platform: Platform, actor: Actor) -> tuple[ForgeStatus, ...]:
    """By app, with how the last look at each went."""
    require(actor, Permission.SEE)
    return tuple(platform.forges.status(link) for link in platform.memory.forges())


async def add_forge(platform: Platform, actor: Actor, request: ForgeRequest) -> ForgeChecked:
    """Asked first, kept then. What its branches hold now counts as seen: the next push is the first that deploys.

    Raises InvalidName, InvalidInput, Unavailable, Forbidden.
    """
    require(actor, Permission.ADMINISTER)  # before anything is asked of an address in it
    secrets = ForgeSecrets(token=Secret(request.token), hook=Secret(request.hook_secret))
    link = link_of(request)
    if link.has_hook:
        check_hook_secret(secrets.hook)
    platform.allow(actor, Permission.ADMINISTER, "forge add", app=link.app, kind=link.kind.value, repository=link.repository, url=link.url)
    said, heads = await _looked_at(platform, link, secrets)
    earlier = next((each for each in platform.memory.forges() if each.app == link.app), None)
    if earlier is not None and earlier.url != link.url:
        platform.memory.forget_forge(link.app)
        earlier = None
    platform.memory.save_forge(link, secrets)
    for branch, commit in heads.items() if earlier is None else ():
        platform.memory.save_forge_head(link.app, branch, commit)
    platform.secrets.changed(EnvironmentId(link.app, PRODUCTION))
    platform.forges.changed(link.app)
    return ForgeChecked(link=link, said=said, branches=len(heads))


async def check_forge(platform: Platform, actor: Actor, app: str) -> ForgeChecked:
    """Asked anew, and its branches looked at. Raises NotFound, Unavailable, InvalidInput, Forbidden."""
    link = _known(platform, app_name(app))
    platform.allow(actor, Permission.CHANGE, "forge check", app=link.app)
    said, heads = await _looked_at(platform, link, platform.memory.forge_secrets(link.app))
    platform.forges.checked(link.app, "")
    return ForgeChecked(link=link, said=said, branches=len(heads))


def remove_forge(platform: Platform, actor: Actor, app: str) -> ForgeLink:
    """Nothing of the forge deploys any more; what runs goes on. Raises NotFound, Forbidden."""
    name = app_name(app)
    platform.allow(actor, Permission.ADMINISTER, "forge rm", app=name)
    link = _known(platform, name)
    platform.memory.forget_forge(name)
    platform.forges.changed(name)
    return link


def hear(platform: Platform, app: str, headers: Mapping[str, str], body: bytes) -> ForgeHeard:
    """A message that says it comes from the app's forge. What it says is only a reason to look: the forge is asked what is true.

    Raises Unauthorized for what is not signed, has been here before or is too old, and InvalidInput for what is none of its messages.
    """
    link = next((each for each in platform.memory.forges() if each.app == app and each.has_hook), None)
    if link is None:
        raise Unauthorized("the message is not believed: no secret was agreed with this forge", hint="`mooring forge add` agrees on one")
    now = platform.clock.wall()
    delivery = platform.forges.forge(link, platform.memory.forge_secrets(link.app)).read(headers, body)
    if delivery.sent_at is not None and abs(now - delivery.sent_at) > WINDOW:
        raise Unauthorized("the message is not believed: it was sent long ago", hint="is this machine's clock right?")
    if not platform.memory.is_first_delivery(link.app, hashlib.sha256(body).digest(), at=now):
        raise Unauthorized(
            "the message is not believed: it has been here before", hint="push again, or wait for the next look at the forge"
        )
    platform.memory.append_audit(who=f"forge {link.kind.value}", what="forge hook", at=now, environment=None, detail={"app": link.app})
    if isinstance(delivery.event, Checked):
        platform.forges.checked(link.app, delivery.event.commit)
    else:
        platform.forges.look(link.app)
    return ForgeHeard(event=delivery.event)


def link_of(request: ForgeRequest) -> ForgeLink:
    """Raises InvalidName, InvalidInput."""
    app, home = app_name(request.app), (request.url or _HOMES.get(request.kind, "")).rstrip("/")
    if not SOONEST <= request.every <= LATEST:
        raise InvalidInput(f"it cannot be looked at every {request.every:g} seconds", hint=f"from {SOONEST:g} seconds to a day")
    if request.kind is ForgeKind.GIT:
        check_url(request.repository)
        if request.hook_secret:
            raise InvalidInput(
                "a plain repository sends no messages that could be signed", hint="leave the hook's secret out: it is looked at"
            )
        return ForgeLink(app=app, kind=request.kind, repository=request.repository, url=request.repository, every=request.every)
    if not all(part and part.strip(".") for part in request.repository.split("/")) or request.repository.count("/") < 1:
        raise InvalidInput(f"{request.repository[:100]!r} is no repository", hint="write it like acme/shop")
    if not request.token:
        raise InvalidInput("the forge needs a token", hint="make one that may read the source and set commit statuses")
    api = _api(request.kind, home)
    url = request.clone or f"{home}/{request.repository}.git"
    check_url(url)
    return ForgeLink(
        app=app,
        kind=request.kind,
        repository=request.repository,
        url=url,
        api=api,
        every=request.every,
        has_hook=bool(request.hook_secret),
    )


def _api(kind: ForgeKind, home: str) -> str:
    parts = urlsplit(home)
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or parts.username
        or parts.query
        or parts.fragment
        or not home.isprintable()
    ):
        raise InvalidInput(f"{home[:100]!r} is not the address of a forge", hint="write it like https://git.example.com")
    return "https://api.github.com" if home == _HOMES[ForgeKind.GITHUB] else f"{home}{_APIS[kind]}"


async def _looked_at(platform: Platform, link: ForgeLink, secrets: ForgeSecrets) -> tuple[str, dict[str, str]]:
    said = await platform.forges.forge(link, secrets).examine()
    return said, await platform.forges.remote(link, secrets).heads()


def _known(platform: Platform, app: AppName) -> ForgeLink:
    link = next((each for each in platform.memory.forges() if each.app == app), None)
    if link is None:
        raise NotFound(f"{app} has no forge", hint="`mooring forge ls` lists those there are; `mooring forge add` adds one")
    return link
