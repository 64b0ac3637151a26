"""Whether a bucket can be used: rights, who else gets in, whether what is removed goes. Must not: change it."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from mooring.drivers.service.bucket import objects
from mooring.drivers.service.bucket.session import code_of
from mooring.drivers.service.contract import ISOLATION
from mooring.model.host import Finding, Weight

_EVERYBODY = ("http://acs.amazonaws.com/groups/global/AllUsers", "http://acs.amazonaws.com/groups/global/AuthenticatedUsers")


def findings(s3: Any, iam: Any, bucket: str) -> tuple[str, tuple[Finding, ...]]:
    """What the endpoint calls itself, and what is not good."""
    objects.are_there(s3, bucket, "m_")
    version = s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"].get("server", "S3")
    return version, (*_rights(iam), *_isolation(s3, bucket), *_versions(s3, bucket))


def _rights(iam: Any) -> list[Finding]:
    try:
        iam.list_users(MaxItems=1)
    except ClientError as error:
        said = f"the key may make no users, or the endpoint speaks no IAM: {code_of(error)}"
        hint = "take an administrator's key; name the IAM endpoint with &iam=https://…; SeaweedFS needs -s3.iam.readOnly=false"
        return [Finding(subject="rights", weight=Weight.FAULT, said=said, hint=hint)]
    return []


def _isolation(s3: Any, bucket: str) -> list[Finding]:
    grants = s3.get_bucket_acl(Bucket=bucket).get("Grants", ())
    is_listed = any(grant.get("Grantee", {}).get("URI") in _EVERYBODY for grant in grants)
    if not is_listed and not any(_is_for_everybody(statement) for statement in _policy(s3, bucket)):
        return []
    said, hint = "the bucket lets everybody in, by its policy or its access list", "take that away, or name another bucket"
    return [Finding(subject=ISOLATION, weight=Weight.FAULT, said=said, hint=hint)]


def _policy(s3: Any, bucket: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    except ClientError as error:
        if code_of(error) == "NoSuchBucketPolicy":
            return []
        raise
    return found if isinstance(found, list) else [found]


def _is_for_everybody(statement: dict[str, Any]) -> bool:
    who = statement.get("Principal")
    named = who.get("AWS", ()) if isinstance(who, dict) else who
    return statement.get("Effect") == "Allow" and "*" in ([named] if isinstance(named, str) else named or ())


def _versions(s3: Any, bucket: str) -> list[Finding]:
    if not s3.get_bucket_versioning(Bucket=bucket).get("Status"):
        return []
    said = "it keeps older versions: what is removed stays there, and is paid for"
    hint = "give the bucket a rule that ends versions that are not current"
    return [Finding(subject="versions", weight=Weight.WARNING, said=said, hint=hint)]
