"""Users of a piece, one for each login, with one key: it reaches what begins with the piece's prefix, and nothing else.

The server makes the secret of a key and tells it once. So a key whose secret nobody knows any more is deleted, and another one made.
Must not: touch a user of another name than a piece's logins have.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

from botocore.exceptions import ClientError

from mooring.drivers.service.bucket.session import Address, code_of, halves, objects_of, status_of
from mooring.drivers.service.contract import Login
from mooring.errors import Unavailable
from mooring.model.secret import Secret
from mooring.model.service import Piece

_POLICY = "mooring"
_KNOWN_WITHIN, _PAUSE = 60.0, 0.2  # seconds until a new key is valid everywhere; between two looks
_OF_OBJECTS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")


def prefix(piece: Piece) -> str:
    """What the keys of all objects of a piece begin with."""
    return f"{piece.identity}/"


def every(iam: Any) -> list[str]:
    """The names of all users that the endpoint has."""
    return [user["UserName"] for page in iam.get_paginator("list_users").paginate() for user in page["Users"]]


def of_piece(names: list[str], piece: Piece) -> list[str]:
    return [name for name in names if re.fullmatch(rf"{piece.identity}_[0-9]+", name)]


def let_in(iam: Any, address: Address, piece: Piece, login: Login) -> Login:
    """The login with a key that is valid: its own, or a new one where the user has no such key. Any other key of it goes."""
    try:
        iam.create_user(UserName=login.name)
    except ClientError as error:
        if code_of(error) != "EntityAlreadyExists":
            raise
    iam.put_user_policy(UserName=login.name, PolicyName=_POLICY, PolicyDocument=policy(address.bucket, prefix(piece)))
    name, _ = halves(login.password)
    if name not in _keys(iam, login.name):
        _delete_keys(iam, login.name)
        made = iam.create_access_key(UserName=login.name)["AccessKey"]
        name, login = made["AccessKeyId"], Login(login.name, Secret(f"{made['AccessKeyId']}:{made['SecretAccessKey']}"))
    _delete_keys(iam, login.name, keep=name)
    _await(address, piece, login)
    return login


def end(iam: Any, name: str) -> None:
    """A user with all its keys. One that is gone is no error."""
    try:
        _delete_keys(iam, name)
        for policy_name in iam.list_user_policies(UserName=name)["PolicyNames"]:
            iam.delete_user_policy(UserName=name, PolicyName=policy_name)
        iam.delete_user(UserName=name)
    except ClientError as error:
        if code_of(error) != "NoSuchEntity":
            raise


def policy(bucket: str, beginning: str) -> str:
    """What a login may do, as AWS writes it."""
    statements = [
        {"Effect": "Allow", "Action": list(_OF_OBJECTS), "Resource": f"arn:aws:s3:::{bucket}/{beginning}*"},
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": f"arn:aws:s3:::{bucket}",
            "Condition": {"StringLike": {"s3:prefix": f"{beginning}*"}},
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _keys(iam: Any, name: str) -> list[str]:
    return [key["AccessKeyId"] for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]]


def _delete_keys(iam: Any, name: str, *, keep: str = "") -> None:
    for key in _keys(iam, name):
        if key != keep:
            iam.delete_access_key(UserName=name, AccessKeyId=key)


def _await(address: Address, piece: Piece, login: Login) -> None:
    """Until the key is let in: a large endpoint needs some seconds to know it. Raises Unavailable."""
    own, until = objects_of(address, login.password), time.monotonic() + _KNOWN_WITHIN
    while True:
        try:
            own.list_objects_v2(Bucket=address.bucket, Prefix=prefix(piece), MaxKeys=1)
            return
        except ClientError as error:
            if status_of(error) not in (401, 403):
                raise
            if time.monotonic() > until:
                said = f"the new key of {login.name} is not let in after {_KNOWN_WITHIN:.0f} s: {code_of(error)}"
                hint = "see that no policy of the bucket denies what is not named"
                raise Unavailable(said, hint=hint, where=address.place) from None
            time.sleep(_PAUSE)
