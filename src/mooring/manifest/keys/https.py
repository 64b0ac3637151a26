"""The keys of HTTPS. Their defaults are the model's. Must not: read a file."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.kinds.numbers import Duration, Flag
from mooring.model.edge import HttpsSettings

_SETTINGS = HttpsSettings()
_TWO_YEARS = 2 * 365 * 86_400

HTTPS = Section(
    path="https",
    noun="HTTPS",
    summary="certificates, and how visitors are brought to HTTPS",
    text="All of it concerns hostnames with a certificate that browsers trust. Names under `localhost` have one of this machine's own "
    "authority, and are neither redirected nor told HSTS.",
    keys=(
        Key(
            path="https.acme",
            kind=Flag(),
            summary="whether the platform gets and renews certificates for the app's public hostnames",
            text="It does so once it has an account: `mooring up --acme-email ADDRESS`. "
            "With false only certificates added by `mooring certs add` are used.",
            default=_SETTINGS.acme,
            example="[https]\nacme = false",
        ),
        Key(
            path="https.redirect",
            kind=Flag(),
            summary="whether plain HTTP is sent to HTTPS",
            text="With status 308, path and query kept, as soon as the hostname has a certificate. "
            "Set it to false behind a proxy that ends HTTPS itself.",
            default=_SETTINGS.redirect,
            example="[https]\nredirect = false",
        ),
        Key(
            path="https.hsts",
            kind=Duration(most=_TWO_YEARS),
            summary='how long browsers are told to use nothing but HTTPS for the hostname; "0s" for not at all',
            text="Browsers remember it: until it has run out there is no way back to plain HTTP. Begin with an hour.",
            default=_SETTINGS.hsts,
            example='[https]\nhsts = "365d"',
        ),
        Key(
            path="https.hsts_subdomains",
            kind=Flag(),
            summary="whether that holds for every name below the hostname too",
            text="Also for those that are not served here.",
            default=_SETTINGS.hsts_subdomains,
            example='[https]\nhsts = "365d"\nhsts_subdomains = true',
        ),
    ),
)
