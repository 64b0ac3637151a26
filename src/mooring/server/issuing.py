"""Builds the issuer that the settings ask for. Beside wiring.py and machinery.py it names concrete drivers.

The ACME library is imported only where there is an account: it takes 0.2 s and 20 MB. Must not: speak to an authority.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mooring.drivers.issuer.hook import DnsHook
from mooring.errors import InvalidInput
from mooring.planner.certificates import Terms
from mooring.server.installation import Installation
from mooring.server.machinery import passed_variables
from mooring.server.operator_programs import check_program
from mooring.server.settings import Settings

if TYPE_CHECKING:
    from mooring.drivers.issuer.contract import Answering, Issuer

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
_SHORT = {"letsencrypt": LETS_ENCRYPT, "staging": STAGING}


def issuer_for(installation: Installation, settings: Settings) -> Issuer | None:
    """None without an account's address."""
    if not settings.acme_email:
        return None
    from mooring.drivers.issuer.acme.issuer import AcmeIssuer
    from mooring.drivers.issuer.acme.settings import AcmeSettings

    directory = directory_url(settings.acme_directory)
    return AcmeIssuer(
        AcmeSettings(
            directory=directory,
            email=settings.acme_email,
            account=account_file(installation, directory),
            authorities=Path(settings.acme_ca_file) if settings.acme_ca_file else None,
        )
    )


def hook_for(settings: Settings) -> Answering | None:
    return DnsHook(settings.acme_dns_hook, passed_variables(os.environ)) if settings.acme_dns_hook else None


def terms_for(settings: Settings) -> Terms:
    """Only of Let's Encrypt it is known that its certificates are never for practice."""
    return Terms(practises=directory_url(settings.acme_directory) != LETS_ENCRYPT)


def account_file(installation: Installation, directory: str) -> Path:
    """One account for each authority: staging and production know nothing of each other."""
    return installation.certificates / f"account-{hashlib.sha256(directory.encode()).hexdigest()[:12]}.key"


def directory_url(word: str) -> str:
    """`letsencrypt`, `staging` or an address."""
    return _SHORT.get(word, word)


def check_acme(settings: Settings) -> None:
    """Raises InvalidInput."""
    name, at, domain = settings.acme_email.partition("@")
    if settings.acme_email and not (name and at and "." in domain and settings.acme_email.isascii() and settings.acme_email.isprintable()):
        raise InvalidInput(f"--acme-email {settings.acme_email!r} is no mail address", hint="write it like ops@example.com")
    if settings.acme_email and not settings.https_port:
        raise InvalidInput("certificates are for HTTPS, and there is none", hint="choose an --https-port, or say --acme-email off")
    if not directory_url(settings.acme_directory).startswith("https://"):
        hint = "use `letsencrypt`, `staging`, or the https:// address of an ACME directory"
        raise InvalidInput(f"--acme-directory {settings.acme_directory!r} is none", hint=hint)
    if settings.acme_ca_file and not Path(settings.acme_ca_file).is_file():
        raise InvalidInput(f"--acme-ca-file {settings.acme_ca_file} is no file", hint="it holds the PEM roots of the directory's own HTTPS")
    check_program("--acme-dns-hook", settings.acme_dns_hook)
