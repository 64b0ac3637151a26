"""The text of HAProxy's configuration: how every connection and request is treated, whichever app it is for. Must not: know an app.

It is written when the platform starts and not changed while it runs: what changes are maps and servers. The order of the rules is theirs of
taking effect: what a client says of itself is cleaned away, the route is looked up, what the edge answers itself is answered, limits are
set, and the request goes to its backend. Source: haproxy.org, configuration manual 2.6.
"""

from __future__ import annotations

from mooring.drivers.edge.contract import PROBE_AGENT
from mooring.drivers.edge.haproxy.access_log import LEFT, WAITING, log_format
from mooring.drivers.edge.haproxy.maps import CHALLENGE_PATH
from mooring.drivers.edge.haproxy.pages import MAINTENANCE, NO_SUCH_APP, TYPES, WAITED_IN_VAIN
from mooring.drivers.edge.haproxy.settings import HaproxySettings, Layout
from mooring.drivers.edge.pages import (
    EDGE_HEADER,
    FAILED,
    NOT_FROM_HERE,
    NOT_UNDERSTOOD,
    PASSWORD_WANTED,
    TIMED_OUT,
    TOO_LARGE,
    Message,
)
from mooring.drivers.edge.silence import ASKED_AFTER, ASKED_EVERY, GONE_AFTER
from mooring.model.edge import EdgeSettings

APPS = "apps"  # the defaults of the prepared backends
COUNTING = "counting"
STREAMS = "streams"  # the stick table that counts WebSockets and event streams by server
COMPRESSED = (
    "text/html text/plain text/css text/javascript text/xml text/csv text/markdown application/javascript application/json"
    " application/problem+json application/ld+json application/manifest+json application/xml application/xhtml+xml application/rss+xml"
    " application/atom+xml application/wasm image/svg+xml font/ttf font/otf"
)
# A server is looked at only while it is down: the first connection that it refuses marks it so, the first that it takes ends it.
WATCHED = "check inter 1d fastinter 50ms downinter 500ms rise 1 fall 1 observe layer4 error-limit 1 on-error mark-down"
SERVER_OPTIONS = f"{WATCHED} pool-purge-delay 300ms"  # an idle connection is closed before an app server would: no request is lost to it

ROUTES_VARIABLE, HELD_VARIABLE = "MOORING_EDGE_ROUTES", "MOORING_EDGE_HELD"  # what the rooms are told: lua-load takes no arguments
WAITED_VARIABLE = "MOORING_EDGE_WAITED"

_FROM_CLIENTS = r"^(x-(mooring|envoy|forwarded)-|forwarded$|x-real-ip$|proxy$)|_"
_ANSWERED = "-m found"


def configuration(settings: HaproxySettings, layout: Layout, *, version: str) -> str:
    sections = (
        _global(settings, layout, version),
        _defaults(layout),
        _edge(settings, layout),
        _waiting(layout),
        _counting(layout),
        *_rooms(layout),
        _apps(),
    )
    return "\n\n".join("\n    ".join(section) for section in sections) + "\n"


def _global(settings: HaproxySettings, layout: Layout, version: str) -> list[str]:
    return [
        "global",
        f"description {version}",  # shown by the running one: whether it has read what it should have
        f"maxconn {settings.max_connections}",
        "no strict-limits",  # fewer file descriptors than that many connections need are no reason not to serve
        f"nbthread {settings.threads}",
        "noreuseport",  # another edge on the same port must be an error, not a partner
        f"stats socket {layout.command_socket} mode 600 level admin expose-fd listeners",
        "stats timeout 1m",
        "log stdout len 4096 format raw local0",
        "ssl-default-bind-options ssl-min-ver TLSv1.2",
        "tune.h2.max-concurrent-streams 100",
        "tune.idle-pool.shared on",
        f"setenv {ROUTES_VARIABLE} {layout.routes}",
        f"setenv {HELD_VARIABLE} {settings.max_held}",
        f"setenv {WAITED_VARIABLE} {layout.waited_for}",
        f"lua-load {layout.rooms}",
        "expose-experimental-directives",  # for normalize-uri
    ]


def _defaults(layout: Layout) -> list[str]:
    usual = EdgeSettings()
    return [
        "defaults every",
        "mode http",
        f"log-format {log_format(layout.servers)}",
        "balance leastconn",
        "retries 3",
        "retry-on conn-failure",  # what an instance has seen is never sent again
        "option redispatch 1",
        "option abortonclose",
        "option srvtcpka",  # a host whose cable is cut says nothing: its kernel is asked whether it is still there
        f"srvtcpka-idle {ASKED_AFTER}s",
        f"srvtcpka-intvl {ASKED_EVERY}s",
        f"srvtcpka-cnt {(GONE_AFTER - ASKED_AFTER) // ASKED_EVERY}",
        "timeout connect 500ms",  # it is also how long HAProxy waits before it tries the only server again
        "timeout http-request 15s",
        "timeout http-keep-alive 900s",
        f"timeout client {round(max(usual.request_timeout, usual.stream_idle_timeout))}s",
        f"timeout server {round(usual.request_timeout)}s",
        f"timeout tunnel {round(usual.stream_idle_timeout)}s",
    ]


def _apps() -> list[str]:
    """What the prepared backends have in common."""
    return [
        f"defaults {APPS} from every",
        f"default-server {SERVER_OPTIONS}",
        "http-request set-timeout server var(txn.timeout) if { var(txn.timeout) -m found }",
        "http-request set-timeout tunnel var(txn.timeout) if { var(txn.timeout) -m found }",
    ]


def _edge(settings: HaproxySettings, layout: Layout) -> list[str]:
    binds = [f"bind {_address(settings.bind, settings.http_port)}"]
    if settings.https_port:
        binds.append(f"bind {_address(settings.bind, settings.https_port)} ssl crt-list {layout.shown} alpn h2,http/1.1")
    return [
        "frontend edge from every",
        *binds,
        "log global",
        "compression algo gzip",
        f"compression type {COMPRESSED}",
        "http-request set-var(txn.at) date(0,us)",
        *_cleaned(),
        *_page(layout, NOT_UNDERSTOOD, f"!{{ req.hdr(host) {_ANSWERED} }}"),
        *_looked_up(layout),
        *_challenges(layout),
        *_secured(settings),
        *_fenced(layout),
        *_guarded(layout),
        *_page(layout, NO_SUCH_APP, "!{ var(txn.value) -m found } || { var(txn.value) -m str -- - }"),
        *_page(layout, MAINTENANCE, "{ var(txn.flags) -m sub m }"),
        *_bounded(layout),
        *_timed(),
        *_answered(layout),
        "http-after-response set-header strict-transport-security max-age=%[var(txn.value),field(9,|)] if { var(txn.hsts) -m found }",
        "http-after-response replace-header strict-transport-security (.*) '\\1; includeSubDomains'"
        " if { var(txn.hsts) -m found } { var(txn.flags) -m sub s }",
        "http-after-response set-header x-robots-tag noindex if { var(txn.flags) -m sub n }",
        f"use_backend {COUNTING} if {{ req.hdr(transfer-encoding) {_ANSWERED} }} !{{ req.hdr(upgrade) {_ANSWERED} }}",
        "use_backend %[var(txn.value),field(1,|)]",
    ]


def _waiting(layout: Layout) -> list[str]:
    """For what found no instance: it waits here, and goes on to its backend."""
    return [
        "frontend waiting from every",
        f"bind unix@{layout.waiting_socket} mode 600",
        "log global",
        *_arrived(layout),
        "http-request lua.wait_for_an_instance",
        f"http-request return status 503 hdr {EDGE_HEADER} {LEFT} if !{{ var(txn.page) -m found }} !{{ var(txn.is_ready) -m found }}",
        *(
            line
            for message in (*WAITED_IN_VAIN, MAINTENANCE, NO_SUCH_APP)
            for line in _page(layout, message, f"{{ var(txn.page) -m str {message.kind} }}")
        ),
        *_timed(),
        *_answered(layout),
        "use_backend %[var(txn.value),field(1,|)]",
    ]


def _counting(layout: Layout) -> list[str]:
    """For bodies that have no declared length: they are counted as they pass."""
    return [
        "frontend counting from every",
        f"bind unix@{layout.counting_socket} mode 600",
        "log global",
        "filter lua.count",
        *_arrived(layout),
        *_largest(),
        *_timed(),
        *_answered(layout, refused=TOO_LARGE),
        "use_backend %[var(txn.value),field(1,|)]",
    ]


def _rooms(layout: Layout) -> list[list[str]]:
    own_limits = "timeout server 1d"  # what is behind the room has its own
    return [
        [f"backend {COUNTING} from every", own_limits, f"server {COUNTING} unix@{layout.counting_socket}"],
        [f"backend {STREAMS} from every", "stick-table type string len 32 size 100k expire 1d store conn_cur"],
    ]


def _cleaned() -> list[str]:
    """What clients say about themselves is replaced by what is known; one spelling of each path reaches the app."""
    return [
        f"http-request del-header {_FROM_CLIENTS} -m reg",
        "http-request normalize-uri percent-decode-unreserved",
        "http-request normalize-uri path-strip-dot if { path -m sub /. }",
        "http-request normalize-uri path-strip-dotdot full if { path -m sub /. }",
        "http-request set-header x-forwarded-for %[src]",
        "http-request set-header x-forwarded-host %[req.fhdr(host)]",
        "http-request set-header x-forwarded-proto http if !{ ssl_fc }",
        "http-request set-header x-forwarded-proto https if { ssl_fc }",
        f"http-request set-header x-request-id %[uuid()] if !{{ req.hdr(x-request-id) {_ANSWERED} }}",
    ]


def _arrived(layout: Layout) -> list[str]:
    """In a room, over a socket that only HAProxy itself reaches: cleaned already."""
    return [
        "http-request set-var(txn.at) date(0,us)",
        "http-request set-src req.fhdr(x-forwarded-for)",
        *_looked_up(layout),
        "http-request deny deny_status 503 if { req.hdr_cnt(x-mooring-room) gt 50 }",
    ]


def _looked_up(layout: Layout) -> list[str]:
    """`txn.value` is the route's line in the map. A name that is not there itself may be one below a wildcard."""
    is_wild = "if { var(txn.wild) -m found }"
    return [
        "http-request set-var(txn.id) req.fhdr(x-request-id)",
        "http-request set-var(txn.accept) req.fhdr(accept)",
        "http-request set-var(txn.agent) req.fhdr(user-agent)",
        "http-request set-var(txn.path) path",
        "http-request set-var(txn.host) req.fhdr(host),host_only,lower,rtrim(.)",
        "http-request set-var(txn.key) var(txn.host),concat(,txn.path,/)",
        f"http-request set-var(txn.value) var(txn.key),map_beg({layout.routes})",
        f"http-request set-var(txn.wild) var(txn.host),map_end({layout.wildcards}) if !{{ var(txn.value) -m found }}",
        f"http-request set-var(txn.key) var(txn.wild),concat(,txn.path,/) {is_wild}",
        f"http-request set-var(txn.value) var(txn.key),map_beg({layout.routes}) {is_wild}",
        "http-request set-var(txn.flags) var(txn.value),field(3,|)",
        f"http-request set-var(txn.is_stream) bool(true) if {{ req.hdr(upgrade) {_ANSWERED} }}"
        " || { req.hdr(accept) -m beg -i text/event-stream }",
    ]


def _challenges(layout: Layout) -> list[str]:
    found = f"var(txn.host),concat(,txn.path,/),map_str({layout.challenges})"
    return [
        "http-request return status 200 content-type application/octet-stream hdr cache-control no-store"
        f' lf-string "%[{found}]" if {{ path_beg {CHALLENGE_PATH} }} {{ {found} -m found }}'
    ]


def _secured(settings: HaproxySettings) -> list[str]:
    """A client that named a port is sent to the edge's own HTTPS port, another one to the usual: ports may be forwarded on the way."""
    if not settings.https_port:
        return []
    when = f"if !{{ ssl_fc }} {{ var(txn.flags) -m sub r }} !{{ req.hdr(user-agent) -m beg {PROBE_AGENT} }}"
    has_port = "{ req.hdr(host) -m reg :[0-9]+$ }"
    return [
        f"http-request redirect code 308 location https://%[var(txn.host)]:{settings.https_port}%[pathq] {when} {has_port}",
        f"http-request redirect code 308 location https://%[var(txn.host)]%[pathq] {when}",
        "http-request set-var(txn.hsts) bool(true) if { ssl_fc } { var(txn.flags) -m sub h }",
    ]


def _fenced(layout: Layout) -> list[str]:
    """Who connects from elsewhere is answered here."""
    is_fenced = "{ var(txn.flags) -m sub l }"
    return [
        f"http-request set-var(txn.networks) var(txn.value),field(11,|) if {is_fenced}",
        f"http-request lua.look_whence if {is_fenced}",
        *_page(layout, NOT_FROM_HERE, f"{is_fenced} !{{ var(txn.is_near) -m found }}"),
    ]


def _guarded(layout: Layout) -> list[str]:
    """Who does not know the password is answered here; the app is not told it."""
    is_guarded = "{ var(txn.flags) -m sub g }"
    header = "hdr www-authenticate 'Basic realm=\"app\"'"
    return [
        f"http-request set-var(txn.guard) var(txn.value),field(10,|) if {is_guarded}",
        f"http-request set-var(txn.digest) http_auth_pass,sha1,base64 if {is_guarded}",
        f"http-request set-var(txn.user) http_auth_user,concat(:,txn.digest) if {is_guarded}",
        f"http-request return status 401 {header} {_reply(layout, PASSWORD_WANTED)}"
        f" if {is_guarded} !{{ var(txn.user),secure_memcmp(txn.guard) }}",
        f"http-request del-header authorization if {is_guarded}",
    ]


def _bounded(layout: Layout) -> list[str]:
    """A body that is declared larger than the route allows is refused before it is sent."""
    declared = "{ req.hdr(content-length) -m found }"
    is_larger = "{ req.hdr_val(content-length),sub(txn.largest) gt 0 }"
    return [f"{line} if {declared}" for line in _largest()] + _page(layout, TOO_LARGE, f"{declared} {is_larger}")


def _largest() -> list[str]:
    return ["http-request set-var(txn.largest) var(txn.value),field(4,|),add(0)"]


def _timed() -> list[str]:
    """How long nothing may pass. A frontend cannot set the timeouts of its backends' servers: they read these variables.

    Of an app that sleeps the time in the waiting room comes before.
    """
    return [
        "http-request set-var(txn.wakes) var(txn.value),field(12,|),add(0)",
        "http-request set-var(txn.timeout) var(txn.value),field(5,|),add(txn.wakes) if { var(txn.flags) -m sub t }",
        "http-request set-var(txn.timeout) var(txn.value),field(6,|),add(txn.wakes) if { var(txn.is_stream) -m found }",
    ]


def _answered(layout: Layout, *, refused: Message = NOT_UNDERSTOOD) -> list[str]:
    """No app speaks as the edge; the edge's own answers say so, in the words that suit who asked.

    `refused`: what is said when HAProxy itself does not take a request.
    """
    is_by_an_app = f"!{{ srv_name {WAITING} }} !{{ srv_name {COUNTING} }}"
    is_own = f"{{ var(txn.edge) {_ANSWERED} }}"
    return [
        f"http-response del-header x-mooring- -m beg if {is_by_an_app}",
        f"http-response track-sc0 srv_name table {STREAMS} if {{ var(txn.is_stream) {_ANSWERED} }}",
        f"http-after-response set-var(txn.edge) res.hdr({EDGE_HEADER})",
        f"http-after-response set-header content-type %[{_chosen(layout, TYPES)}] if {is_own}",
        f"http-after-response set-status 503 if {is_own} {{ status 502 }}",
        f"http-after-response set-status 503 if {is_own} {{ status 500 }}",
        *([f"http-after-response set-status {refused.status} if {is_own} {{ status 400 }}"] if refused.status != 400 else []),
        f"http-after-response set-header server mooring if !{{ res.hdr(server) {_ANSWERED} }}",
        f"http-after-response set-header x-request-id %[var(txn.id)] if {{ var(txn.id) {_ANSWERED} }}",
        *_error(layout, 400, refused),
        *_error(layout, 500, FAILED),
        *_error(layout, 502, FAILED),
        *_error(layout, 503, FAILED),
        *_error(layout, 504, TIMED_OUT),
    ]


def _page(layout: Layout, message: Message, condition: str) -> list[str]:
    alternatives = condition.split(" || ")
    return [f"http-request return status {message.status} {_reply(layout, message)} if {each}" for each in alternatives]


def _error(layout: Layout, status: int, message: Message) -> list[str]:
    return [f"http-error status {status} {_reply(layout, message)}"]


def _reply(layout: Layout, message: Message) -> str:
    retry = f" hdr retry-after {message.retry_after}" if message.retry_after else ""
    headers = f"hdr {EDGE_HEADER} {message.kind} hdr cache-control no-store{retry}"
    return f'content-type text/html lf-string "%[{_chosen(layout, message.kind)}]\\n" {headers}'


def _chosen(layout: Layout, kind: str) -> str:
    """Which of a map's pages suits who asked; a client that says nothing accepts anything."""
    return f"str(:),concat(,txn.accept),map_reg({layout.page(kind)})"


def _address(bind: str, port: int) -> str:
    return f"[{bind}]:{port}" if ":" in bind else f"{bind}:{port}"
