"""The environment variables and files a build may see: nothing of the controller's but what is on the list below.

A build has a HOME of its own, which hides the settings of the package clients; so their variables (indexes, certificates, proxies)
pass by name, and their configuration files are linked into the new HOME. An app's config and secrets never come near.
Must not: read any file's content, or run anything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

PASSED = frozenset({
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "CC", "CXX", "PKG_CONFIG_PATH",
})  # fmt: skip
PASSED_PREFIXES = ("PIP_", "UV_", "NPM_CONFIG_")
WITHHELD = frozenset({
    "UV_CACHE_DIR", "UV_PROJECT_ENVIRONMENT", "UV_PROJECT", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_WORKING_DIRECTORY", "UV_WORKING_DIR",
    "UV_LINK_MODE", "UV_BREAK_SYSTEM_PACKAGES", "UV_EDITABLE", "UV_NO_SYNC", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_CACHE_DIR",
    "NPM_CONFIG_PREFIX", "NPM_CONFIG_CACHE", "NPM_CONFIG_GLOBAL", "NPM_CONFIG_PRODUCTION", "NPM_CONFIG_OMIT", "NPM_CONFIG_INCLUDE",
})  # fmt: skip
"""Settings of a package client that would move its work to another place than the builder's."""

DOWNLOADS = ("uv", "npm", "pip")
"""The folders of the cache in which package clients keep what they have downloaded; each is made anew where it is missing."""

CLIENT_FILES = (".npmrc", ".pip/pip.conf", ".config/pip/pip.conf", ".config/uv/uv.toml")
FALLBACK_PATH = "/usr/local/bin:/usr/bin:/bin"


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a build inherits: variables, and the HOME whose client files are linked into the build's own."""

    variables: dict[str, str]
    client_home: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Surroundings:
        """Take what is allowed out of a whole environment."""
        passed = {name: value for name, value in environ.items() if _is_passed(name)}
        passed["PATH"] = _without_own_environment(environ.get("PATH", FALLBACK_PATH))
        return cls(variables=passed, client_home=environ.get("HOME", ""))

    @property
    def path(self) -> str:
        return self.variables.get("PATH", FALLBACK_PATH)

    def environment(self, home: Path, *, cache: Path, variables: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of a build: `variables` are the manifest's build variables and win over what is inherited."""
        temporary = home / "tmp"
        return {
            "LANG": "C.UTF-8",
            **self.variables,
            "UV_CACHE_DIR": str(cache / "uv"),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "npm_config_cache": str(cache / "npm"),
            "PIP_CACHE_DIR": str(cache / "pip"),
            "NO_COLOR": "1",
            "CI": "1",
            **variables,
            "HOME": str(home),
            "TMPDIR": str(temporary),
        }

    def furnish(self, home: Path) -> None:
        """Make the build's HOME, with links to the package clients' configuration files that exist."""
        (home / "tmp").mkdir(mode=0o700, parents=True)
        for name in CLIENT_FILES if self.client_home else ():
            real = Path(self.client_home) / name
            if real.is_file():
                (home / name).parent.mkdir(parents=True, exist_ok=True)
                (home / name).symlink_to(real.resolve())


def _is_passed(name: str) -> bool:
    upper = name.upper()
    return (upper in PASSED or upper.startswith(PASSED_PREFIXES)) and upper not in WITHHELD


def _without_own_environment(path: str) -> str:
    """Mooring's own virtual environment is no business of an app: `python` in a build must not be Mooring's."""
    own = str(Path(sys.prefix) / "bin") if sys.prefix != sys.base_prefix else ""
    parts = [part for part in path.split(os.pathsep) if part and part != own]
    return os.pathsep.join(parts) or FALLBACK_PATH
