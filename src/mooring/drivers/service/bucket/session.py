"""Clients of an S3 endpoint and of its IAM API: the one place where their address is read and their errors become Mooring's.

Must not: show a key, or read the AWS settings of whoever runs the controller.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError, SSLError
from botocore.session import Session

from mooring.errors import InvalidInput, MooringError, OutcomeUnknown, Refused, Unavailable
from mooring.model.secret import Secret

AT_ONCE = 16  # requests
_CONNECT, _ANSWER = 10, 60  # seconds
_TRIES = 3
_ONE_AT_A_TIME = threading.Lock()  # the library makes clients in one thread alone
_BUCKET = re.compile(r"\A[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_HINT = (
    "write it like s3+https://KEY:SECRET@s3.example.com/BUCKET, with what of ?region=eu-central-1&iam=https://iam.amazonaws.com&ca=/F.pem "
    "is not us-east-1, the same endpoint and a public authority"
)


class Address:
    """Of a bucket and its administrator, who may also make users. Raises InvalidInput."""

    def __init__(self, url: Secret) -> None:
        try:
            parts = urlsplit(url.reveal())
            host, port = parts.hostname or "", parts.port
            options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
            iam = urlsplit(options.get("iam", ""))
        except ValueError:
            raise InvalidInput("that is no address of a bucket", hint=_HINT) from None
        self.bucket = parts.path.strip("/")
        known = set(options) <= {"region", "iam", "ca"} and iam.scheme in ("", "http", "https") and not iam.username
        if parts.scheme not in ("s3+http", "s3+https") or not host or not parts.username or not _BUCKET.match(self.bucket) or not known:
            raise InvalidInput("that is no address of a bucket", hint=_HINT)
        at = f"[{host}]" if ":" in host else host
        at = f"{at}:{port}" if port else at
        self.endpoint = f"{parts.scheme.removeprefix('s3+')}://{at}"
        self.iam = options.get("iam") or self.endpoint
        self.region = options.get("region") or "us-east-1"
        self.authority = options.get("ca")
        self.place = f"{at}/{self.bucket}"
        self.administrator = Secret(f"{unquote(parts.username)}:{unquote(parts.password or '')}")


def objects_of(address: Address, key: Secret | None = None) -> Any:
    """A client of S3: as the administrator, or with the key `ID:SECRET`."""
    return _client(address, "s3", address.endpoint, address.region, key or address.administrator)


def users_of(address: Address) -> Any:
    """A client of IAM, as the administrator. It is of no region, which the signature calls us-east-1."""
    return _client(address, "iam", address.iam, "us-east-1", address.administrator)


def halves(key: Secret) -> tuple[str, Secret]:
    """The ID of a key and its secret."""
    name, _, secret = key.reveal().partition(":")
    return name, Secret(secret)


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Raises Unavailable, OutcomeUnknown, Refused."""
    try:
        yield
    except ClientError as error:
        raise _translation(error, address) from None
    except (EndpointConnectionError, ConnectTimeoutError, SSLError) as error:
        hint = "is it up, and is the address right? `mooring service add-server` changes it"
        raise Unavailable(f"the bucket's endpoint does not answer: {type(error).__name__}", hint=hint, where=address.place) from None
    except BotoCoreError as error:
        raise OutcomeUnknown(f"the connection broke: {type(error).__name__}", hint="it is looked at again", where=address.place) from None


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _client(address: Address, service: str, endpoint: str, region: str, key: Secret) -> Any:
    name, secret = halves(key)
    settings = Config(
        connect_timeout=_CONNECT,
        read_timeout=_ANSWER,
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        max_pool_connections=AT_ONCE,
        s3={"addressing_style": "path"},
    )
    with _ONE_AT_A_TIME:
        return _session().create_client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id=name,
            aws_secret_access_key=secret.reveal(),
            verify=address.authority,
            config=settings,
        )


@cache
def _session() -> Any:
    """It reads what the services are from large files, once. What the account that runs the controller has in ~/.aws is not for this."""
    session = Session()
    for name in ("config_file", "credentials_file"):
        session.set_config_variable(name, os.devnull)
    session.set_config_variable("profile", None)
    return session


def _translation(error: ClientError, address: Address) -> MooringError:
    said = f"{error.operation_name} of the bucket's endpoint: {code_of(error) or 'no reason given'}"
    if status_of(error) in (401, 403):
        hint = "the administrator's key needs s3:* on the bucket and what is in it, and iam:* on users whose names begin with m_"
        return Refused(said, hint=hint, where=address.place)
    if status_of(error) >= 500:
        return OutcomeUnknown(said, hint="it is looked at again", where=address.place)
    return Unavailable(said, hint="see that the bucket is there, and that the endpoint speaks IAM", where=address.place)
