"""What HTTPS adds to an environment's part of the routes: challenges answered, plain HTTP sent to HTTPS, HSTS and HTTP/3 told.

Hostnames with a certificate of the wide web stand in a virtual host of their own: only they may be sent to HTTPS, and only they are
served by HTTP/3. Mooring's own probes are not sent there: they ask by plain HTTP whether the app answers, and say so in their User-Agent.
Must not: know certificates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from mooring.drivers.edge.contract import PROBE_AGENT
from mooring.drivers.edge.envoy.connections import HTTPS_ONLY
from mooring.drivers.edge.envoy.guard import UNGUARDED
from mooring.drivers.edge.envoy.routes import virtual_host
from mooring.model.edge import HttpsSettings
from mooring.model.routing import ChallengeAnswer, RouteTable

Json = dict[str, object]

CHALLENGE_PATH = "/.well-known/acme-challenge/"


class Secured(msgspec.Struct, frozen=True):
    """Hostnames with a certificate of the wide web, and the challenges that are to be answered."""

    names: frozenset[str] = frozenset()
    answers: tuple[ChallengeAnswer, ...] = ()

    def within(self, table: RouteTable) -> Secured:
        """The part that concerns one environment."""
        if not self.names and not self.answers:
            return self
        mine = frozenset(table.hostnames)
        return Secured(self.names & mine, tuple(each for each in self.answers if each.hostname in mine))


def virtual_hosts(table: RouteTable, *, secured: Secured, https_port: int) -> list[msgspec.Raw]:
    """One for the names that are as they always were, one for those with a certificate of the wide web; none without a name."""
    first = [_challenge(table, each) for each in secured.answers]
    changed = [name for name in table.hostnames if name in secured.names]
    plain = [name for name in table.hostnames if name not in changed]
    slug = table.environment.slug
    hosts = [virtual_host(table, name=slug, hostnames=plain, first=first)] if plain else []
    if changed:
        redirects = _redirects(table, https_port) if table.https.redirect else []
        told = _told_by_https(table.https, https_port)
        hosts.append(virtual_host(table, name=f"{slug}/https", hostnames=changed, first=[*first, *redirects], filters=told))
    return hosts


def _challenge(table: RouteTable, answer: ChallengeAnswer) -> Json:
    is_its_own = {"name": ":authority", "string_match": {"safe_regex": {"regex": rf"(?i){re.escape(answer.hostname)}(:[0-9]+)?"}}}
    return {
        "name": f"{table.environment.slug}/",
        "match": {"path": f"{CHALLENGE_PATH}{answer.token}", "headers": [is_its_own]},
        "direct_response": {"status": 200, "body": {"inline_string": answer.content}},
        "response_headers_to_add": [_header("content-type", "application/octet-stream"), _header("cache-control", "no-store")],
        "typed_per_filter_config": UNGUARDED,
    }


def _redirects(table: RouteTable, https_port: int) -> list[Json]:
    """A client that named a port is sent to the edge's own HTTPS port, another one to the usual: ports may be forwarded on the way."""
    with_port: Json = {"name": ":authority", "string_match": {"safe_regex": {"regex": r".*:[0-9]+"}}}
    return [
        _redirect(table, [with_port], {"port_redirect": https_port}),
        _redirect(table, [], {}),
    ]


def _redirect(table: RouteTable, conditions: Iterable[Json], port: Json) -> Json:
    is_plain: Json = {"name": "x-forwarded-proto", "string_match": {"exact": "http"}}
    is_visitor: Json = {
        "name": "user-agent",
        "string_match": {"prefix": PROBE_AGENT},
        "invert_match": True,
        "treat_missing_header_as_empty": True,
    }
    return {
        "name": f"{table.environment.slug}/",
        "match": {"prefix": "/", "headers": [is_plain, is_visitor, *conditions]},
        "redirect": {"https_redirect": True, "response_code": "PERMANENT_REDIRECT", **port},
        "typed_per_filter_config": UNGUARDED,
    }


def _told_by_https(settings: HttpsSettings, https_port: int) -> Json:
    """By HTTPS alone, as RFC 6797, 7.2 asks of HSTS: the filter that reads this is no part of plain HTTP."""
    told = {"alt-svc": f'h3=":{https_port}"; ma=86400'}
    if settings.hsts:
        told["strict-transport-security"] = f"max-age={int(settings.hsts)}" + ("; includeSubDomains" if settings.hsts_subdomains else "")
    added = [{"append": _header(name, value)} for name, value in told.items()]
    kind = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute"
    return {HTTPS_ONLY: {"@type": kind, "mutations": {"response_mutations": added}}}


def _header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
