"""Cloud audit sets: Stratus detonations in CloudTrail, and panther's unit tests of many vendors."""

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from bench.detect.figures import Figure
from bench.detect.found import Found
from bench.detect.labelled import Labelled, data, right_technique, titles

Event = dict[str, Any]

_OURS: Final = {
    "aws.credential-access.ec2-get-password-data": "T1552 T1555",
    "aws.credential-access.ec2-steal-instance-credentials": "T1552.005",
    "aws.credential-access.secretsmanager-batch-retrieve-secrets": "T1555.006",
    "aws.credential-access.secretsmanager-retrieve-secrets": "T1555.006",
    "aws.credential-access.ssm-retrieve-securestring-parameters": "T1555.006 T1552",
    "aws.defense-evasion.cloudtrail-delete": "T1562.008",
    "aws.defense-evasion.cloudtrail-event-selectors": "T1562.008",
    "aws.defense-evasion.cloudtrail-stop": "T1562.008",
    "aws.defense-evasion.dns-delete-logs": "T1562.008",
    "aws.defense-evasion.organizations-leave": "T1562 T1666",
    "aws.defense-evasion.vpc-remove-flow-logs": "T1562.008",
    "aws.discovery.ec2-download-user-data": "T1580 T1552.005",
    "aws.execution.ec2-launch-unusual-instances": "T1578.002 T1496",
    "aws.execution.ec2-user-data": "T1059 T1651 T1037",
    "aws.execution.ssm-send-command": "T1651",
    "aws.execution.ssm-start-session": "T1651 T1021.007",
    "aws.exfiltration.ec2-security-group-open-port-22-ingress": "T1562.007 T1048",
    "aws.exfiltration.ec2-share-ami": "T1537",
    "aws.exfiltration.ec2-share-ebs-snapshot": "T1537",
    "aws.exfiltration.rds-share-snapshot": "T1537",
    "aws.impact.bedrock-invoke-model": "T1496",
    "aws.initial-access.console-login-without-mfa": "T1078",
    "aws.lateral-movement.ec2-instance-connect": "T1021 T1098.004",
    "aws.lateral-movement.ec2-serial-console-send-ssh-public-key": "T1021 T1098.004",
    "aws.persistence.iam-backdoor-role": "T1098",
    "aws.persistence.iam-backdoor-user": "T1098",
    "aws.persistence.iam-create-admin-user": "T1136.003 T1098",
    "aws.persistence.iam-create-backdoor-role": "T1098 T1136.003",
    "aws.persistence.iam-create-user-login-profile": "T1098 T1136.003",
    "aws.persistence.lambda-backdoor-function": "T1546 T1098 T1648",
    "aws.persistence.lambda-layer-extension": "T1546 T1525 T1574 T1648",
    "aws.persistence.lambda-overwrite-code": "T1546 T1525 T1648",
    "aws.persistence.rolesanywhere-create-trust-anchor": "T1098 T1606 T1556 T1136.003",
    "aws.persistence.sts-federation-token": "T1078.004 T1550 T1098 T1606",
    "aws.privilege-escalation.iam-update-user-login-profile": "T1098",
}
"""The set names tactics only; these techniques are our reading of what each detonation does."""

_TOOL: Final = "stratus-red-team"


def _detonations() -> dict[str, list[Event]]:
    made: dict[str, list[Event]] = defaultdict(list)
    with gzip.open(data("cloudtrail_stratus_detonations.jsonl.gz"), "rt", encoding="utf-8") as rows:
        for line in rows:
            row = json.loads(line.replace(_TOOL, "workload"))
            made[row["technique"]].append(row["event"])
    return dict(made)


def _write_detonations(folder: Path) -> None:
    for technique, events in _detonations().items():
        (folder / f"{technique}.json").write_text(json.dumps({"Records": events}))


def _detonations_found(found: Found, _: Path) -> Iterator[Figure]:
    names = sorted(_detonations())
    missed = [name for name in names if not found.serious(f"{name}.json")]
    yield Figure(
        "techniques with a medium+ finding",
        len(names) - len(missed),
        len(names),
        unit="techniques",
        target="≥ 33",
        against=tuple(missed),
    )
    wrong = [
        f"{name}: {titles(found.serious(f'{name}.json'))}"
        for name in names
        if not right_technique(found.serious(f"{name}.json"), _OURS.get(name, "").split())
    ]
    yield Figure(
        "right technique by our own reading",
        len(names) - len(wrong),
        len(names),
        unit="techniques",
        against=tuple(wrong),
    )
    silent = [name for name in names if not found.of(f"{name}.json")]
    yield Figure(
        "techniques with a finding of any severity",
        len(names) - len(silent),
        len(names),
        unit="techniques",
    )


def _tests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each test with the path of the file its event is written to."""
    with gzip.open(data("saas_cloud_rule_tests.jsonl.gz"), "rt", encoding="utf-8") as rows:
        for number, line in enumerate(rows):
            row = json.loads(line)
            yield f"{row['folder']}/{number:04}.json", row


def _write_tests(folder: Path) -> None:
    for name, row in _tests():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(_written(row))


def _written(row: dict[str, Any]) -> str:
    """A test's event as its vendor writes it down."""
    event, kinds = row["event"], row["log_types"] or ""
    if "VPCFlow" in str(event.get("p_log_type") or kinds) and "dstAddr" in event:
        return _flow_log(event)
    return json.dumps(_raw(event, kinds)) + "\n"


_FLOW: Final = {
    "srcAddr": "srcaddr",
    "dstAddr": "dstaddr",
    "srcPort": "srcport",
    "dstPort": "dstport",
    "vpcId": "vpc-id",
    "subNetId": "subnet-id",
    "instanceId": "instance-id",
    "flowDirection": "flow-direction",
    "action": "action",
    "protocol": "protocol",
    "packets": "packets",
    "bytes": "bytes",
    "start": "start",
    "end": "end",
    "status": "log-status",
    "region": "region",
}


def _flow_log(event: Event) -> str:
    """A flow as a flow log of the fields that it has, and a time: a header and a line."""
    event = {"start": 1_700_000_000, **event}
    there = [name for name in _FLOW if event.get(name) is not None]
    header = " ".join(_FLOW[name] for name in there)
    return f"{header}\n{' '.join(str(event[name]) for name in there)}\n"


def _raw(event: Event, kinds: str) -> Event:
    """An event as its vendor writes it: without panther's own fields, under its own names."""
    kind = str(event.get("p_log_type") or kinds)
    plain: Event = _renamed(
        {name: value for name, value in event.items() if not name.startswith("p_")}
    )
    for mark, convert in _FORMS.items():
        if kind.startswith(mark):
            return convert(plain)
    return plain


def _renamed(value: Any) -> Any:
    """`@` at the start of names, which panther spells `at_sign_`."""
    if isinstance(value, dict):
        return {
            "@" + name.removeprefix("at_sign_") if name.startswith("at_sign_") else name: _renamed(
                each
            )
            for name, each in value.items()
        }
    return [_renamed(each) for each in value] if isinstance(value, list) else value


def _trail(event: Event) -> Event:
    return {"Records": [event]}


def _activity(event: Event) -> Event:
    """A Workspace activity: its one event in the list that the Reports API gives."""
    if "events" in event:
        return event
    inner: Event = {name: event[name] for name in ("type", "name") if name in event}
    given = event.get("parameters")
    if isinstance(given, dict):
        inner["parameters"] = [_parameter(name, value) for name, value in given.items()]
    outer = {
        name: each for name, each in event.items() if name not in ("type", "name", "parameters")
    }
    return {"kind": "admin#reports#activity", **outer, "events": [inner]}


def _parameter(name: str, value: Any) -> Event:
    if isinstance(value, bool):
        return {"name": name, "boolValue": value}
    if isinstance(value, int):
        return {"name": name, "intValue": str(value)}
    if isinstance(value, list):
        return {
            "name": name,
            "multiValue": [each if isinstance(each, str) else json.dumps(each) for each in value],
        }
    if isinstance(value, dict):
        return {
            "name": name,
            "messageValue": {"parameter": [_parameter(*each) for each in value.items()]},
        }
    return {"name": name, "value": value}


def _sensor(event: Event) -> Event:
    """A Falcon data replicator event: all fields side by side."""
    inner = event.get("event")
    if not isinstance(inner, dict):
        return event
    outer = {name: each for name, each in event.items() if name != "event"}
    name = outer.pop("fdr_event_type", None) or outer.pop("event_simplename", None)
    return {**outer, **({"event_simpleName": name} if name else {}), **inner}


_FORMS: Final[dict[str, Callable[[Event], Event]]] = {
    "AWS.CloudTrail": _trail,
    "GSuite.ActivityEvent": _activity,
    "Crowdstrike.FDREvent": _sensor,
}


_BEFORE: Final = (
    "aws_cloudtrail_rules",
    "azure_activity_rules",
    "gcp_audit_rules",
    "github_rules",
    "gsuite_activityevent_rules",
    "gsuite_reports_rules",
    "intune_rules",
    "microsoft_rules",
    "okta_rules",
)
_NETWORK: Final = (
    "aws_s3_rules",
    "aws_vpc_flow_rules",
    "aws_waf_rules",
    "cloudflare_rules",
    "gcp_http_lb_rules",
)
_SERVICES: Final = (
    "anthropic_rules",
    "asana_rules",
    "atlassian_rules",
    "box_rules",
    "databricks_rules",
    "docusign_rules",
    "dropbox_rules",
    "gravitational_teleport_rules",
    "mongodb_rules",
    "netskope_rules",
    "notion_rules",
    "onelogin_rules",
    "onepassword_rules",
    "openai_rules",
    "panther_audit_rules",
    "sentinelone_rules",
    "slack_rules",
    "snyk_rules",
    "tailscale_rules",
    "tines_rules",
    "wiz_rules",
    "zendesk_rules",
    "zoom_operation_rules",
    "zscaler_rules",
)
_READ: Final = (*_BEFORE, *_NETWORK, *_SERVICES)
"""Folders whose vendors' logs have readers; the others' events are plain JSON to labrys."""

Test = tuple[str, dict[str, Any]]
_LEVELS: Final = ((2, "low+"), (3, "medium+"))


def _tests_found(found: Found, _: Path) -> Iterator[Figure]:
    tests = list(_tests())
    yield from _judged(found, tests, "all vendors", full=True)
    for name, folders in (
        ("vendors with a reader", _READ),
        ("  audit logs of clouds and suites", _BEFORE),
        ("  network and web logs of clouds", _NETWORK),
        ("  audit logs of services", _SERVICES),
    ):
        part = [each for each in tests if each[1]["folder"] in folders]
        yield from _judged(found, part, name, full=False)
    true = {found.same.get(file, file) for file, row in tests if row["expected"]}
    only = [
        each
        for each in tests
        if not each[1]["expected"] and found.same.get(each[0], each[0]) not in true
    ]
    for least, level in _LEVELS:
        yield Figure(
            f"of them no rule's true case, flagged, {level}",
            sum(bool(_said(found, file, least)) for file, _ in only),
            len(only),
            unit="hard negatives whose very event no other rule of the set must find",
        )
    for folder in sorted(
        {row["folder"] for _, row in tests}, key=lambda name: (name not in _READ, name)
    ):
        mine = [each for each in tests if each[1]["folder"] == folder]
        yield from _judged(found, mine, f"  {folder}", levels=((2, "low+"),))


def _judged(
    found: Found,
    tests: list[Test],
    name: str,
    *,
    levels: tuple[tuple[int, str], ...] = _LEVELS,
    full: bool = False,
) -> Iterator[Figure]:
    for expected, what, target in (
        (True, "true cases found", "≥ 90 %"),
        (False, "hard negatives flagged", "≤ 10 %"),
    ):
        part = [(file, row) for file, row in tests if row["expected"] is expected]
        for least, level in levels:
            hit = {file: mine for file, _ in part if (mine := _said(found, file, least))}
            against = [
                f"{file} {row['rule_id']}: {row['test']}: {hit.get(file, 'nothing')}"
                for file, row in part
                if (file in hit) is not expected
            ]
            yield Figure(
                f"{name}: {what}, {level}",
                len(hit),
                len(part),
                unit=f"tests of {len({row['rule_id'] for _, row in part})} rules",
                target=target if full else "",
                against=tuple(against) if full and least == levels[0][0] else (),
            )


def _said(found: Found, file: str, least: int) -> str:
    mine = (each for each in found.of(file) if not each.only_rarity)
    return titles(each for each in mine if each.severity >= least)


STRATUS: Final = Labelled(
    "stratus",
    "each technique counts once: has its CloudTrail file a finding of medium or more",
    "attack runs only, some of their events prepare or look around; account ids are redacted; the "
    "tool's name, which leaks the label in user agents and role names, is replaced before the "
    "scan; techniques are our own reading, the set names tactics",
    _write_detonations,
    _detonations_found,
    alone=True,
)
PANTHER: Final = Labelled(
    "panther",
    "each test counts once, one event a file in its vendor's raw form, without panther's fields; a "
    "finding of low or more (of medium or more: second line) counts as found or flagged",
    "synthetic unit tests: near twins, redacted values, many without what a real event must hold; "
    "a hard negative is one for ITS rule and may be reportable for another; folders of vendors "
    "that no reader knows are read as plain JSON",
    _write_tests,
    _tests_found,
    version="2",
    alone=True,
)
