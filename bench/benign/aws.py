"""The office's AWS account on ordinary days, as CloudTrail writes it."""

import json
import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from bench.benign.scene import BROWSER, OFFICE_IP, Calendar, moments

Event = dict[str, Any]

ACCOUNT: Final = "222233334444"
_TERRAFORM: Final = "APN/1.0 HashiCorp/1.0 Terraform/1.8.2 (+https://www.terraform.io) terraform-provider-aws/5.47.0 aws-sdk-go-v2/1.26.1"
_WHO: Final = {
    # name: (type of identity, role or user, address, user agent)
    "terraform": ("AssumedRole", "ci-terraform/GitHubActions", "203.0.113.200", _TERRAFORM),
    "deploy": (
        "AssumedRole",
        "ci-deploy/GitHubActions",
        "203.0.113.201",
        "aws-cli/2.15.40 Python/3.11.8 Linux/6.5.0-1018-azure exe/x86_64.ubuntu.22",
    ),
    "app": (
        "AssumedRole",
        "app-task/8a1f0c",
        "10.40.3.17",
        "aws-sdk-nodejs/2.1600.0 linux/v20.12.2 exec-env/AWS_ECS_FARGATE",
    ),
    "scaling": (
        "AWSService",
        "autoscaling.amazonaws.com",
        "autoscaling.amazonaws.com",
        "autoscaling.amazonaws.com",
    ),
    "backup": (
        "AssumedRole",
        "AWSBackupDefaultServiceRole/AWSBackup",
        "backup.amazonaws.com",
        "backup.amazonaws.com",
    ),
    "config": (
        "AssumedRole",
        "AWSServiceRoleForConfig/AWSConfig",
        "config.amazonaws.com",
        "config.amazonaws.com",
    ),
    "monitor": (
        "AssumedRole",
        "monitoring/poller",
        "203.0.113.210",
        "Boto3/1.34.90 md/Botocore#1.34.90 ua/2.0 os/linux#5.10 md/arch#x86_64 lang/python#3.11.9",
    ),
    "nora": ("AssumedRole", "AWSReservedSSO_Administrator_1a2b/nora", OFFICE_IP, BROWSER),
    "lena": ("AssumedRole", "AWSReservedSSO_Developer_3c4d/lena", OFFICE_IP, BROWSER),
    "ssm": ("AWSService", "ssm.amazonaws.com", "ssm.amazonaws.com", "ssm.amazonaws.com"),
}
_CALLS: Final[tuple[tuple[str, str, float, str, str, Event], ...]] = (
    # who, when, a day, service, call, what was asked
    ("monitor", "any", 200, "ec2", "DescribeInstances", {}),
    ("monitor", "any", 80, "rds", "DescribeDBInstances", {}),
    ("monitor", "any", 40, "s3", "ListBuckets", {}),
    ("monitor", "any", 10, "iam", "ListUsers", {}),
    ("config", "any", 60, "ec2", "DescribeSecurityGroups", {}),
    ("config", "any", 20, "iam", "GetAccountAuthorizationDetails", {}),
    ("app", "any", 60, "secretsmanager", "GetSecretValue", {"secretId": "prod/app/database"}),
    (
        "app",
        "any",
        40,
        "ssm",
        "GetParameters",
        {"names": ["/prod/app/url"], "withDecryption": True},
    ),
    (
        "app",
        "any",
        80,
        "sts",
        "AssumeRole",
        {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/app-task", "roleSessionName": "8a1f0c"},
    ),
    (
        "scaling",
        "any",
        6,
        "ec2",
        "RunInstances",
        {"instanceType": "t3.medium", "minCount": 1, "maxCount": 1},
    ),
    (
        "scaling",
        "any",
        6,
        "ec2",
        "TerminateInstances",
        {"instancesSet": {"items": [{"instanceId": "i-0a1b2c3d4e5f60718"}]}},
    ),
    ("backup", "night", 3, "ec2", "CreateSnapshot", {"volumeId": "vol-0a1b2c3d4e5f60718"}),
    ("backup", "night", 3, "ec2", "DeleteSnapshot", {"snapshotId": "snap-0a1b2c3d4e5f60718"}),
    (
        "backup",
        "night",
        1,
        "rds",
        "CreateDBSnapshot",
        {"dBInstanceIdentifier": "app", "dBSnapshotIdentifier": "awsbackup-job"},
    ),
    (
        "ssm",
        "night",
        1,
        "ssm",
        "SendCommand",
        {
            "documentName": "AWS-RunPatchBaseline",
            "targets": [{"key": "tag:Patch", "values": ["weekly"]}],
        },
    ),
    ("terraform", "work", 40, "ec2", "DescribeSubnets", {}),
    ("terraform", "work", 30, "iam", "GetRole", {"roleName": "app-task"}),
    ("terraform", "work", 20, "iam", "ListAttachedRolePolicies", {"roleName": "app-task"}),
    (
        "terraform",
        "work",
        2,
        "ec2",
        "AuthorizeSecurityGroupIngress",
        {
            "groupId": "sg-0a1b",
            "ipPermissions": {
                "items": [
                    {
                        "ipProtocol": "tcp",
                        "fromPort": 443,
                        "toPort": 443,
                        "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]},
                    }
                ]
            },
        },
    ),
    (
        "terraform",
        "work",
        0.4,
        "ec2",
        "AuthorizeSecurityGroupIngress",
        {
            "groupId": "sg-0a1c",
            "ipPermissions": {
                "items": [
                    {
                        "ipProtocol": "tcp",
                        "fromPort": 22,
                        "toPort": 22,
                        "ipRanges": {"items": [{"cidrIp": f"{OFFICE_IP}/32"}]},
                    }
                ]
            },
        },
    ),
    (
        "terraform",
        "work",
        1,
        "iam",
        "CreateRole",
        {
            "roleName": "report-task",
            "assumeRolePolicyDocument": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}',
        },
    ),
    (
        "terraform",
        "work",
        1,
        "iam",
        "AttachRolePolicy",
        {
            "roleName": "report-task",
            "policyArn": "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy",
        },
    ),
    (
        "terraform",
        "work",
        1,
        "iam",
        "PutRolePolicy",
        {
            "roleName": "report-task",
            "policyName": "read",
            "policyDocument": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"arn:aws:s3:::reports/*"}]}',
        },
    ),
    (
        "terraform",
        "work",
        0.3,
        "iam",
        "UpdateAssumeRolePolicy",
        {
            "roleName": "report-task",
            "policyDocument": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}',
        },
    ),
    (
        "terraform",
        "work",
        0.4,
        "s3",
        "PutBucketPolicy",
        {
            "bucketName": "reports",
            "bucketPolicy": {
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:*",
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                ]
            },
        },
    ),
    ("terraform", "work", 0.3, "ec2", "CreateFlowLogs", {"ResourceId": "vpc-0a1b"}),
    ("terraform", "work", 0.2, "ec2", "DeleteSecurityGroup", {"groupId": "sg-0a1d"}),
    (
        "deploy",
        "work",
        4,
        "lambda",
        "UpdateFunctionCode20150331v2",
        {"functionName": "report", "s3Bucket": "artifacts"},
    ),
    (
        "deploy",
        "work",
        2,
        "lambda",
        "UpdateFunctionConfiguration20150331v2",
        {"functionName": "report", "environment": {}},
    ),
    ("deploy", "work", 6, "ecs", "UpdateService", {"service": "app", "cluster": "prod"}),
    ("deploy", "work", 6, "ecr", "PutImage", {"repositoryName": "app"}),
    ("nora", "work", 6, "ec2", "DescribeInstances", {}),
    (
        "nora",
        "work",
        2,
        "ssm",
        "StartSession",
        {"target": "i-0a1b2c3d4e5f60718", "documentName": "SSM-SessionManagerRunShell"},
    ),
    ("nora", "work", 0.3, "iam", "CreateUser", {"userName": "svc-mailer"}),
    ("nora", "work", 0.3, "iam", "CreateAccessKey", {"userName": "svc-mailer"}),
    (
        "nora",
        "work",
        0.3,
        "iam",
        "DeleteAccessKey",
        {"userName": "svc-mailer", "accessKeyId": "AKIAIOSFODNN7EXAMPLE"},
    ),
    (
        "nora",
        "work",
        0.2,
        "iam",
        "DeactivateMFADevice",
        {"userName": "marco", "serialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/marco"},
    ),
    (
        "nora",
        "work",
        0.2,
        "iam",
        "CreateLoginProfile",
        {"userName": "new.colleague", "passwordResetRequired": True},
    ),
    (
        "nora",
        "work",
        0.3,
        "ec2",
        "ModifySnapshotAttribute",
        {
            "snapshotId": "snap-0a1b2c3d4e5f60718",
            "attributeType": "CREATE_VOLUME_PERMISSION",
            "createVolumePermission": {"add": {"items": [{"userId": "222233335555"}]}},
        },
    ),
    (
        "nora",
        "work",
        1,
        "guardduty",
        "ListFindings",
        {"detectorId": "12abc34d567e8fa901bc2d34e56789f0"},
    ),
    ("nora", "work", 1, "cloudtrail", "LookupEvents", {}),
    ("lena", "work", 8, "logs", "FilterLogEvents", {"logGroupName": "/ecs/app"}),
    ("lena", "work", 3, "lambda", "ListFunctions20150331", {}),
    ("lena", "work", 1, "secretsmanager", "ListSecrets", {}),
    ("lena", "work", 1, "ec2", "GetConsoleOutput", {"instanceId": "i-0a1b2c3d4e5f60718"}),
)
_DENIED: Final = (
    ("lena", "iam", "CreateRole"),
    ("lena", "secretsmanager", "GetSecretValue"),
    ("deploy", "s3", "PutBucketTagging"),
)


def each(seed: int, calendar: Calendar) -> Iterator[tuple[str, str]]:
    """The trail's file, and its text."""
    draw = random.Random(f"{seed}:aws")
    trail = sorted(_trail(draw, calendar), key=lambda event: str(event["eventTime"]))
    yield "aws/cloudtrail.json", json.dumps({"Records": trail})


def _trail(draw: random.Random, calendar: Calendar) -> Iterator[Event]:
    for who, often, day, service, call, asked in _CALLS:
        for when in moments(draw, calendar, often, day=day):
            yield _record(draw, when, who, service, call, asked)
    for who, service, call in _DENIED:
        for when in moments(draw, calendar, "work", day=0.6):
            yield _record(draw, when, who, service, call, {}) | {
                "errorCode": "AccessDenied",
                "errorMessage": "User is not authorized to perform this action",
            }
    for user in ("nora", "marco"):
        for when in moments(draw, calendar, "logon", day=0.6):
            if draw.random() < 0.2:
                yield _console(draw, when, user, done=False)
            yield _console(draw, when, user, done=True)


def _record(
    draw: random.Random, when: datetime, who: str, service: str, call: str, asked: Event
) -> Event:
    kind, name, ip, agent = _WHO[who]
    role, _, session = name.partition("/")
    identity: Event = {"type": kind, "invokedBy": name}
    if kind == "AssumedRole":
        identity = {
            "type": kind,
            "principalId": f"AROAEXAMPLE{role.upper()[:8]}:{session}",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}",
            "accountId": ACCOUNT,
            "accessKeyId": f"ASIA{draw.getrandbits(64):016X}",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}",
                    "accountId": ACCOUNT,
                    "userName": role,
                },
                "attributes": {
                    "creationDate": f"{when:%Y-%m-%dT%H:00:00Z}",
                    "mfaAuthenticated": "false",
                },
            },
        }
    return event(draw, when, identity, ip, agent, service, call, asked)


def event(
    draw: random.Random,
    when: datetime,
    identity: Event,
    ip: str,
    agent: str,
    service: str,
    call: str,
    asked: Event,
) -> Event:
    return {
        "eventVersion": "1.09",
        "userIdentity": identity,
        "eventTime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": call,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": ip,
        "userAgent": agent,
        "requestParameters": asked or None,
        "responseElements": None,
        "requestID": f"{draw.getrandbits(64):016x}",
        "eventID": f"{draw.getrandbits(32):08x}-0000-4000-8000-{draw.getrandbits(48):012x}",
        "readOnly": call.startswith(("Describe", "Get", "List", "Lookup", "Filter")),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }


def _console(draw: random.Random, when: datetime, user: str, *, done: bool) -> Event:
    identity = {
        "type": "IAMUser",
        "principalId": f"AIDAEXAMPLE{user.upper()}",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{user}",
        "accountId": ACCOUNT,
        "userName": user,
    }
    told = event(draw, when, identity, OFFICE_IP, BROWSER, "signin", "ConsoleLogin", {})
    return told | {
        "eventType": "AwsConsoleSignIn",
        "responseElements": {"ConsoleLogin": "Success" if done else "Failure"},
        "additionalEventData": {
            "LoginTo": "https://console.aws.amazon.com/console/home",
            "MobileVersion": "No",
            "MFAUsed": "Yes",
        },
        **({} if done else {"errorMessage": "Failed authentication"}),
    }
