"""Requests to an ACME server: nonces that it refuses are replaced, and when it asks for patience that is noted. Must not: know an order."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from acme import messages
from acme.client import ClientNetwork
from josepy.jwa import ES256
from josepy.jwk import JWK

from mooring import __version__
from mooring.drivers.issuer.acme.settings import AcmeSettings

_NONCE_TRIES = 20  # a server under load may refuse several in a row; source: RFC 8555, 6.5
_PATIENCE_CODES = (429, 503)


class Network(ClientNetwork):
    """`retry_at` in wall seconds: when the server wants to be asked again after it refused; 0 when it did not say."""

    def __init__(self, key: JWK, settings: AcmeSettings) -> None:
        super().__init__(key, alg=ES256, user_agent=f"mooring/{__version__}", timeout=settings.answer_within)
        self.verify_ssl = str(settings.authorities) if settings.authorities else True  # type: ignore[assignment]
        self.retry_at = 0.0

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for _ in range(_NONCE_TRIES - 1):
            try:
                return self._post_once(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return self._post_once(*args, **kwargs)

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        response = super()._send_request(method, url, *args, **kwargs)
        if response.status_code in _PATIENCE_CODES:
            self.retry_at = retry_at(response.headers.get("Retry-After", ""), now=time.time())
        return response


def retry_at(header: str, *, now: float) -> float:
    """Of a Retry-After header, seconds or a date; 0 for anything else. Source: RFC 9110, 10.2.3."""
    if header.isascii() and header.isdigit() and len(header) < 10:
        return now + int(header)
    try:
        return parsedate_to_datetime(header).timestamp()
    except ValueError:
        return 0.0
