"""Certificates of public hostnames: how they stand, a person's own, renewal at once. Must not: answer with a key."""

from __future__ import annotations

from mooring.drivers.pem import checked_certificate
from mooring.errors import InvalidInput
from mooring.model.access import Actor
from mooring.model.certificate import CertificateView
from mooring.model.names import hostname
from mooring.usecases.answers import CertificateAdded
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform


def certificates(platform: Platform, actor: Actor) -> tuple[CertificateView, ...]:
    """In the order of their hostnames."""
    require(actor, Permission.SEE)
    return platform.certificates.views()


def add_certificate(platform: Platform, actor: Actor, pem: bytes, *, for_hostname: str = "") -> CertificateAdded:
    """A chain and its key, PEM, in one. With `for_hostname` it must be for that name. Raises InvalidInput, InvalidName, Forbidden."""
    require(actor, Permission.ADMINISTER)
    wanted = hostname(for_hostname) if for_hostname else None
    certificate = checked_certificate(pem, now=platform.clock.wall())
    if wanted is not None and not certificate.covers(wanted):
        raise InvalidInput(f"the certificate is not for {wanted}", hint=f"it is for {', '.join(certificate.hostnames)}")
    platform.allow(actor, Permission.ADMINISTER, "certs add", name=certificate.hostnames[0], issuer=certificate.issuer)
    name, shown_for = platform.certificates.add(certificate)
    return CertificateAdded(
        name=name, hostnames=certificate.hostnames, issuer=certificate.issuer, expires_at=certificate.expires_at, shown_for=shown_for
    )


def renew_certificate(platform: Platform, actor: Actor, name: str) -> CertificateView:
    """Ordered at once, if the authority allows it. Raises NotFound, InvalidInput with what stands in the way, Forbidden."""
    require(actor, Permission.CHANGE)
    checked = hostname(name)
    platform.allow(actor, Permission.CHANGE, "certs renew", name=checked)
    platform.certificates.renew(checked)
    return next(view for view in platform.certificates.views() if view.hostname == checked)


def remove_certificate(platform: Platform, actor: Actor, name: str) -> None:
    """A person's own. Raises NotFound, Forbidden."""
    require(actor, Permission.ADMINISTER)
    checked = hostname(name)
    platform.allow(actor, Permission.ADMINISTER, "certs remove", name=checked)
    platform.certificates.remove(checked)
