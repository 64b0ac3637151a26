"""`python -m mooring.server serve | up | down | restore FILE`: what supervisor and client start, speaking lines of JSON.

Must not: render.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import msgspec

from mooring.errors import MooringError, NeedsPerson
from mooring.server.installation import Installation
from mooring.server.telling import Teller

_SETTINGS = (
    *("edge", "http_port", "https_port", "bind", "api", "acme_email", "acme_directory", "acme_ca_file", "acme_dns_hook"),
    *("capacity", "capacity_limit", "capacity_idle"),
)
_SWITCHES = ("unconfined_strangers",)
_PROGRAMS = {"acme_dns_hook": "--acme-dns-hook", "capacity": "--capacity"}


def main() -> int:
    os.umask(0o077)
    asked = _parser().parse_args()
    installation = Installation.here()
    if asked.verb == "serve":
        return _serve(installation)
    teller = Teller()
    try:
        _act(asked, installation, teller)
    except MooringError as error:
        teller.failure(error)
        return error.exit_code
    except Exception as error:
        logging.exception("defect")
        teller.failure(NeedsPerson(f"something unexpected happened: {type(error).__name__}: {error}", hint="please report it"))
        return NeedsPerson.exit_code
    return 0


def _serve(installation: Installation) -> int:
    from mooring.server.serve import serve

    try:
        serve(installation)
    except MooringError as error:
        logging.getLogger("mooring.server").critical(str(error), extra={"fields": {"code": error.code}})
        return error.exit_code
    return 0


def _act(asked: argparse.Namespace, installation: Installation, teller: Teller) -> None:
    match asked.verb:
        case "up":
            from mooring.server import settings, starting
            from mooring.server.edges import chosen
            from mooring.server.operator_programs import words

            known = settings.load(installation.state)
            given = {name: getattr(asked, name) for name in _SETTINGS if getattr(asked, name) is not None}
            given |= {name: getattr(asked, name) == "on" for name in _SWITCHES if getattr(asked, name) is not None}
            given |= {name: "" for name in ("api", "acme_email", "acme_ca_file") if given.get(name) == "off"}
            for name in _PROGRAMS.keys() & given.keys():
                given[name] = () if given[name] == "off" else words(_PROGRAMS[name], given[name])
            if "edge" in given:
                given["edge"] = chosen(given["edge"])
            starting.up(installation, msgspec.structs.replace(known, **given), teller)
        case "down":
            from mooring.server import stopping

            stopping.down(installation, teller)
        case _:
            from mooring.server import stopping

            apart = {name: Path(value) for name in ("passphrase_file", "key_file") if (value := getattr(asked, name))}
            stopping.bring_back(installation, Path(asked.backup), teller, **apart)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mooring.server", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("serve", help="the controller, in the foreground")
    up = verbs.add_parser("up", help="start everything that is not running")
    up.add_argument("--edge", help="`envoy`, `haproxy`, or `auto`: HAProxy where it is installed")
    up.add_argument("--http-port", type=int)
    up.add_argument("--https-port", type=int)
    up.add_argument("--bind")
    up.add_argument("--api", help="address:port on loopback for the API besides its socket; `off` for none")
    up.add_argument("--acme-email", help="of the account with which certificates are ordered; `off` for none")
    up.add_argument("--acme-directory", help="`letsencrypt`, `staging`, or the address of another authority")
    up.add_argument("--acme-ca-file", help="roots for the authority's own HTTPS; `off` for the system's")
    up.add_argument("--acme-dns-hook", help="the program that sets TXT records, with its arguments; `off` for none")
    up.add_argument("--unconfined-strangers", choices=("on", "off"), help="what strangers bring runs also where nothing keeps it apart")
    up.add_argument("--capacity", help="the program that lends hosts, with its arguments; `off` for none")
    up.add_argument("--capacity-limit", type=int)
    up.add_argument("--capacity-idle", type=float, help="seconds")
    verbs.add_parser("down", help="stop everything")
    restore = verbs.add_parser("restore", help="bring back what a backup holds")
    restore.add_argument("backup")
    restore.add_argument("--passphrase-file")
    restore.add_argument("--key-file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
