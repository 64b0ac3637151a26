"""Names, checked once at the border: every name inside the program went through one of these functions.

Each name is an allow list anchored at both ends; nothing is repaired or lower-cased silently.
Must not: know where a name is used.
"""

from __future__ import annotations

import re
from typing import NewType

from mooring.errors import InvalidName

AppName = NewType("AppName", str)
EnvironmentName = NewType("EnvironmentName", str)
ProcessName = NewType("ProcessName", str)
Hostname = NewType("Hostname", str)
VariableName = NewType("VariableName", str)
DeploymentId = NewType("DeploymentId", str)
ArtifactId = NewType("ArtifactId", str)
HostId = NewType("HostId", str)
AccessoryName = NewType("AccessoryName", str)
RegionName = NewType("RegionName", str)
ServiceName = NewType("ServiceName", str)
ServerName = NewType("ServerName", str)

LOCAL = HostId("local")
"""The machine on which the controller itself runs."""

_LABEL = re.compile(r"\A[a-z](?:[a-z0-9]|-(?!-)){0,38}[a-z0-9]\Z|\A[a-z]\Z")
_ACCESSORY = re.compile(r"\A[a-z](?:[a-z0-9]|-(?!-)){0,28}[a-z0-9]\Z|\A[a-z]\Z")
_PROCESS = re.compile(r"\A[A-Za-z](?:[A-Za-z0-9_-]{0,30}[A-Za-z0-9])?\Z")
_VARIABLE = re.compile(r"\A[A-Za-z_][A-Za-z0-9_]{0,254}\Z")
_HOST_LABEL = re.compile(r"\A[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def schema_pattern(pattern: re.Pattern[str]) -> str:
    """As JSON Schema writes it: its regular expressions (ECMA-262) know no \\A and \\Z."""
    return pattern.pattern.replace(r"\A", "^").replace(r"\Z", "$")


LABEL_PATTERN = schema_pattern(_LABEL)
ACCESSORY_PATTERN = schema_pattern(_ACCESSORY)
PROCESS_PATTERN = schema_pattern(_PROCESS)
VARIABLE_PATTERN = schema_pattern(_VARIABLE)
_PLAIN_LABEL = schema_pattern(_HOST_LABEL)[1:-1]
HOSTNAME_PATTERN = rf"^(?:\*\.)?{_PLAIN_LABEL}(?:\.{_PLAIN_LABEL})*$"


def app_name(text: str) -> AppName:
    """A label of 1-40 characters a-z, 0-9 and single inner dashes, starting with a letter."""
    return AppName(_label(text, what="app name"))


def environment_name(text: str) -> EnvironmentName:
    """Like an app name."""
    return EnvironmentName(_label(text, what="environment name"))


def process_name(text: str) -> ProcessName:
    """1-32 characters A-Z, a-z, 0-9, _ and -, a letter first."""
    return ProcessName(
        _checked(text, pattern=_PROCESS, what="process type", alphabet="letters, digits, _ and -, 1-32 characters, a letter first")
    )


def accessory_name(text: str) -> AccessoryName:
    """Like an app name, but 1-30 characters: it is a process type's name too."""
    alphabet = "a-z, 0-9 and single dashes, 1-30 characters, a letter first"
    return AccessoryName(_checked(text, pattern=_ACCESSORY, what="accessory's name", alphabet=alphabet))


def variable_name(text: str) -> VariableName:
    """A portable environment variable name."""
    return VariableName(_checked(text, pattern=_VARIABLE, what="variable name", alphabet="letters, digits and _, not a digit first"))


def host_id(text: str) -> HostId:
    """What a machine is called here: like an app name."""
    return HostId(_label(text, what="host's name"))


def region_name(text: str) -> RegionName:
    """Like an app name."""
    return RegionName(_label(text, what="region's name"))


def service_name(text: str) -> ServiceName:
    """What an app calls a service of its own: like an app name."""
    alphabet = "a-z, 0-9 and single dashes, 1-40 characters, a letter first"
    return ServiceName(_checked(text, pattern=_LABEL, what="service's name", alphabet=alphabet))


def server_name(text: str) -> ServerName:
    """What a server of a service is called here: like an app name."""
    alphabet = "a-z, 0-9 and single dashes, 1-40 characters, a letter first"
    return ServerName(_checked(text, pattern=_LABEL, what="server's name", alphabet=alphabet))


def hostname(text: str) -> Hostname:
    """A lower-case DNS name of at most 253 characters; the first label may be `*`. Source: RFC 1123."""
    labels = text.split(".")
    checked = labels[1:] if labels[0] == "*" and len(labels) > 1 else labels
    if len(text) > 253 or not all(_HOST_LABEL.match(label) for label in checked):
        raise InvalidName(f"the hostname {text!r} is not a DNS name", hint="use lower-case labels like shop.example.com or *.example.com")
    return Hostname(text)


def _label(text: str, *, what: str) -> str:
    return _checked(text, pattern=_LABEL, what=what, alphabet="a-z, 0-9 and single dashes, 1-40 characters, a letter first")


def _checked(text: str, *, pattern: re.Pattern[str], what: str, alphabet: str) -> str:
    if not pattern.match(text):
        raise InvalidName(f"the {what} {text!r} is not allowed", hint=f"use {alphabet}")
    return text
