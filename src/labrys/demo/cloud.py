"""The firm's CloudTrail: an infrastructure robot all day, and somebody else with its key."""

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from labrys.demo.scene import ACCOUNT, INTRUDER, at

_READS = (
    ("ec2.amazonaws.com", "DescribeInstances"),
    ("ec2.amazonaws.com", "DescribeSecurityGroups"),
    ("s3.amazonaws.com", "GetBucketLocation"),
    ("iam.amazonaws.com", "GetRole"),
    ("sts.amazonaws.com", "GetCallerIdentity"),
    ("lambda.amazonaws.com", "ListFunctions20150331"),
)


def trail(draw: random.Random) -> list[dict[str, Any]]:
    """The day's records, in the order of time."""
    records = [*_ordinary(draw), *_intrusion(draw)]
    return sorted(records, key=lambda record: str(record["eventTime"]))


def _record(
    draw: random.Random, when: datetime, user: str, call: tuple[str, str], ip: str, **more: Any
) -> dict[str, Any]:
    agent = (
        "aws-cli/2.17.1 Python/3.11" if ip == INTRUDER else "APN/1.0 HashiCorp/1.0 Terraform/1.9"
    )
    return {
        "eventVersion": "1.10",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": f"AIDAEXAMPLE{user.upper()[:9]}",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/{user}",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "userName": user,
        },
        "eventTime": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": call[0],
        "eventName": call[1],
        "awsRegion": "eu-central-1",
        "sourceIPAddress": ip,
        "userAgent": agent,
        "requestParameters": None,
        "responseElements": None,
        "requestID": f"{draw.getrandbits(64):016x}",
        "eventID": f"{draw.getrandbits(32):08x}-0000-4000-8000-{draw.getrandbits(48):012x}",
        "readOnly": call[1].startswith(("Describe", "Get", "List")),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        **more,
    }


def _ordinary(draw: random.Random) -> Iterator[dict[str, Any]]:
    for _ in range(700):
        when = at("06:00", draw.random() * 14 * 3600)
        yield _record(draw, when, "ci-deploy", draw.choice(_READS), "10.20.1.5")
    for _ in range(90):
        when = at("08:30", draw.random() * 8 * 3600)
        yield _record(draw, when, "ben", draw.choice(_READS), "198.51.100.77")


def _intrusion(draw: random.Random) -> Iterator[dict[str, Any]]:
    yield _record(
        draw, at("10:15"), "ci-deploy", ("sts.amazonaws.com", "GetCallerIdentity"), INTRUDER
    )
    denied = (
        ("s3.amazonaws.com", "ListBuckets"),
        ("secretsmanager.amazonaws.com", "ListSecrets"),
        ("rds.amazonaws.com", "DescribeDBSnapshots"),
        ("kms.amazonaws.com", "ListKeys"),
        ("ssm.amazonaws.com", "DescribeParameters"),
        ("organizations.amazonaws.com", "ListAccounts"),
    )
    for number, call in enumerate(denied):
        yield _record(
            draw, at("10:16", 20 * number), "ci-deploy", call, INTRUDER, errorCode="AccessDenied"
        )
    iam = "iam.amazonaws.com"
    name = {"userName": "support-svc"}
    yield _record(
        draw, at("10:22"), "ci-deploy", (iam, "CreateUser"), INTRUDER, requestParameters=name
    )
    policy = {**name, "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    yield _record(
        draw,
        at("10:22", 30),
        "ci-deploy",
        (iam, "AttachUserPolicy"),
        INTRUDER,
        requestParameters=policy,
    )
    yield _record(
        draw, at("10:23"), "ci-deploy", (iam, "CreateAccessKey"), INTRUDER, requestParameters=name
    )
    trail_name = {"name": f"arn:aws:cloudtrail:eu-central-1:{ACCOUNT}:trail/main"}
    yield _record(
        draw,
        at("10:31"),
        "support-svc",
        ("cloudtrail.amazonaws.com", "StopLogging"),
        INTRUDER,
        requestParameters=trail_name,
    )
