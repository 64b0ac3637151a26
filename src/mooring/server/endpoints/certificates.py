"""Certificates of public hostnames. Must not: answer with a key."""

from __future__ import annotations

from mooring.model.certificate import CertificateView
from mooring.model.names import HOSTNAME_PATTERN
from mooring.server.asked import Asked
from mooring.server.endpoint import Body, Endpoint
from mooring.server.query import Parameter
from mooring.usecases import answers, certificates

_PATH = "/v1/certificates"


async def listed(asked: Asked) -> tuple[CertificateView, ...]:
    return certificates.certificates(asked.platform, asked.actor)


async def added(asked: Asked) -> answers.CertificateAdded:
    return certificates.add_certificate(asked.platform, asked.actor, asked.json(bytes), for_hostname=asked.text("hostname"))


async def renewed(asked: Asked) -> CertificateView:
    return certificates.renew_certificate(asked.platform, asked.actor, asked.path["hostname"])


async def removed(asked: Asked) -> None:
    certificates.remove_certificate(asked.platform, asked.actor, asked.path["hostname"])


ENDPOINTS = (
    Endpoint(
        method="GET",
        path=_PATH,
        summary="Every public hostname with its certificate, and the certificates of your own",
        handler=listed,
        answer=tuple[CertificateView, ...],
    ),
    Endpoint(
        method="POST",
        path=_PATH,
        summary="Add a certificate of your own: the body is its chain and its key, PEM",
        handler=added,
        answer=answers.CertificateAdded,
        status=201,
        body=Body.RAW,
        query=(
            Parameter(
                name="hostname",
                kind=str,
                about="Refuse it unless it is for this name.",
                default="",
                most=253,
                pattern=f"^$|{HOSTNAME_PATTERN}",
            ),
        ),
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/{{hostname}}/renewal",
        summary="Order a hostname's certificate anew at once",
        handler=renewed,
        answer=CertificateView,
        status=202,
    ),
    Endpoint(
        method="DELETE",
        path=f"{_PATH}/{{hostname}}",
        summary="Remove a certificate of your own",
        handler=removed,
    ),
)
