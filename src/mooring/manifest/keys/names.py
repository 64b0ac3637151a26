"""The names a user chooses, as kinds: each is checked by the model, with a fix for the commonest slips. Must not: repair one."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from mooring.manifest.kinds.texts import Name
from mooring.model.edge import network
from mooring.model.names import (
    accessory_name,
    app_name,
    environment_name,
    host_id,
    hostname,
    process_name,
    region_name,
    server_name,
    service_name,
    variable_name,
)
from mooring.model.review import review_pattern

_LABEL = r"\A[a-z](?:[a-z0-9]|-(?!-)){0,38}[a-z0-9]\Z|\A[a-z]\Z"
_ACCESSORY = r"\A[a-z](?:[a-z0-9]|-(?!-)){0,28}[a-z0-9]\Z|\A[a-z]\Z"
_HOSTNAME = r"\A(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*\Z"


def likely_label(text: str) -> str:
    """What the name of an app or environment may be meant to be; nothing where no letter of it can stay."""
    return re.sub(r"[^a-z0-9]+", "-", text[:80].lower()).lstrip("-0123456789")[:40].rstrip("-")


def _label_fix(text: str) -> str:
    return f'write it like "{likely_label(text) or "my-app"}"'


def _process_fix(text: str) -> str:
    likely = re.sub(r"[^A-Za-z0-9_]+", "-", text[:80]).strip("-_0123456789")[:32].rstrip("-_")
    return f"call it {likely or 'worker'}"


def _variable_fix(text: str) -> str:
    likely = re.sub(r"[^A-Za-z0-9_]+", "_", text[:80]).strip("_")
    return f"call it {likely}" if likely and not likely[0].isdigit() else "call it like LOG_LEVEL"


def _hostname_fix(text: str) -> str:
    if "://" in text:
        return "leave out the scheme: only the host's name is wanted, like shop.example.com"
    if ":" in text or "/" in text:
        return "leave out port and path: only the host's name is wanted; a path belongs to processes.NAME.path"
    if text != text.lower():
        return "write it in lower case"
    if not text.isascii():
        return 'write it in its "xn--" form'
    return "write it like shop.example.com or *.example.com"


def _label(noun: str, check: Callable[[str], str]) -> Name:
    rule = f"{noun} has 1-40 characters a-z, 0-9 and single inner dashes, a letter first"
    return Name(noun=noun, rule=rule, check=check, fix=_label_fix, pattern=_LABEL)


def _network_fix(text: str) -> str:
    try:
        return f"write {ipaddress.ip_network(text, strict=False)}"
    except ValueError:
        return "write it like 203.0.113.0/24, 2001:db8::/32 or 203.0.113.7"


APP_NAME = _label("an app name", app_name)
ENVIRONMENT_NAME = _label("an environment name", environment_name)
PROCESS_NAME = Name(
    noun="a process type",
    rule="the name of a process type has 1-32 letters, digits, _ and -, a letter first",
    check=process_name,
    fix=_process_fix,
    pattern=r"\A[A-Za-z](?:[A-Za-z0-9_-]{0,30}[A-Za-z0-9])?\Z",
)
VARIABLE_NAME = Name(
    noun="a variable name",
    rule="a variable name has letters, digits and _, not a digit first",
    check=variable_name,
    fix=_variable_fix,
    pattern=r"\A[A-Za-z_][A-Za-z0-9_]{0,254}\Z",
)
HOSTNAME = Name(
    noun="a hostname",
    rule="a hostname is a DNS name in lower case, its parts between dots at most 63 characters, 253 in all",
    check=hostname,
    fix=_hostname_fix,
    pattern=_HOSTNAME,
)
HOST_NAME = _label("a host's name", host_id)
REGION_NAME = _label("a region's name", region_name)
SERVICE_NAME = _label("a service's name", service_name)
SERVER_NAME = _label("a server's name", server_name)
REVIEW_HOSTNAME = Name(
    noun="a hostname of review apps",
    rule="a hostname of review apps is a DNS name in lower case that holds {branch} once, with room for 40 characters in its place",
    check=review_pattern,
    fix=lambda _: "write it like {branch}.review.example.com",
    pattern=r"\A(?:[a-z0-9-]+\.)*[a-z0-9-]*\{branch\}[a-z0-9-]*(?:\.[a-z0-9-]+)*\Z",
)
NETWORK = Name(
    noun="a network",
    rule="a network is an address, or its beginning with the number of bits that count, the others 0",
    check=network,
    fix=_network_fix,
    pattern=r"\A[0-9A-Fa-f.:]+(?:/[0-9]{1,3})?\Z",
)
ACCESSORY_NAME = Name(
    noun="an accessory's name",
    rule="an accessory's name has 1-30 characters a-z, 0-9 and single inner dashes, a letter first",
    check=accessory_name,
    fix=_label_fix,
    pattern=_ACCESSORY,
)
