import json
from typing import Any
from uuid import UUID

import pytest

from labrys.report import Report, Summary, write
from labrys.report.mail import mail
from labrys.report.testing import common, hostile
from labrys.triage import incidents
from labrys.triage.testing import MACRO, finding, table

RECORD = {
    "_time": "1794909600000",
    "from_address": "billing@paypal-resolution.example",
    "from_name": "PayPal",
    "reply_to_address": "x@odd.example",
    "to": "ann@corp.example\x1ebob@corp.example",
    "subject": "Your account",
    "message_id": "1@odd.example",
    "border_ip": "203.0.113.9",
    "headers": "From: …",
    "link_kinds": "a\x1eimg\x1ea\x1ea",
    "link_hrefs": "https://click.example/?u=1\x1ehttps://pic.example/a.png"
    "\x1ehttps://www.paypal.com/\x1ehttps://intra.corp.example/a",
    "link_targets": "https://evil.example/in\x1e\x1e\x1e",
    "followed_domains": "click.example\x1eevil.example\x1epaypal.com\x1ecorp.example",
    "attachment_names": "invoice.pdf.exe",
    "attachment_hashes": "ab" * 32,
}
MAKERS = {"common": common, "hostile": hostile}


def of_mail(record: dict[str, str]) -> Report:
    one = finding(MACRO, 1_794_909_600_000, [("user", "a@b.example", "source")])
    one["evidence"] = [{"_id": "m1", "_source": "box.mbox", "_offset": 0}]
    findings = table([one])
    return Report.of(findings, incidents(findings), Summary(), {"m1": record})


def exported(report: Report, form: str) -> Any:
    return json.loads(b"".join(write(report, form)))


def test_what_is_well_known_or_our_own_is_no_indicator() -> None:
    made = mail(RECORD)
    assert made is not None
    assert [(one.value, one.sure) for one in made.urls] == [
        ("https://click.example/?u=1", True),
        ("https://www.paypal.com/", False),
        ("https://intra.corp.example/a", False),
        ("https://evil.example/in", True),
    ]
    assert [one.value for one in made.domains if one.sure] == ["click.example", "evil.example"]
    assert mail({"CommandLine": "x"}) is None


def test_a_message_in_misp() -> None:
    (event,) = (one["Event"] for one in exported(of_mail(RECORD), "misp")["response"])
    (made,) = event["Object"]
    assert made["name"] == "email"
    relations = {one["object_relation"]: one["value"] for one in made["Attribute"]}
    assert relations["from"] == "billing@paypal-resolution.example"
    assert relations["send-date"] == "2026-11-17T10:00:00.000Z"
    blocked = {one["value"] for one in event["Attribute"] if one["to_ids"]}
    assert {"https://evil.example/in", "evil.example", "ab" * 32} <= blocked
    assert "paypal.com" not in blocked
    assert 'misp-galaxy:mitre-attack-pattern="Malicious File - T1204.002"' in {
        one["name"] for one in event["Tag"]
    }


@pytest.mark.parametrize("maker", sorted(MAKERS))
def test_events_are_whole(maker: str) -> None:
    report = MAKERS[maker]()
    made = exported(report, "misp")
    assert len(made["response"]) == report.incidents.num_rows
    seen: set[str] = set()
    for one in made["response"]:
        event = one["Event"]
        assert event["threat_level_id"] in ("1", "2", "3")
        assert event["published"] is False
        for item in (event, *event["Attribute"], *event["Object"]):
            assert UUID(item["uuid"]).version == 5
            assert item["uuid"] not in seen
            seen.add(item["uuid"])
        for item in event["Attribute"]:
            assert item["type"]
            assert item["category"]
            assert item["value"].isprintable()


def test_a_message_in_stix() -> None:
    objects = {one["id"]: one for one in exported(of_mail(RECORD), "stix")["objects"]}
    (made,) = (one for one in objects.values() if one["type"] == "email-message")
    assert objects[made["from_ref"]]["value"] == "billing@paypal-resolution.example"
    assert len(made["to_refs"]) == 2
    assert made["subject"] == "Your account"
    urls = {one["value"] for one in objects.values() if one["type"] == "url"}
    assert "https://evil.example/in" in urls
    (seen,) = (one for one in objects.values() if one["type"] == "observed-data")
    assert made["id"] in seen["object_refs"]


@pytest.mark.parametrize("form", ["misp", "stix"])
def test_hostile_messages(form: str) -> None:
    odd = dict.fromkeys(RECORD, "�\x00\u202e\x1e" * 50) | {"_time": "9" * 30}
    assert exported(of_mail(odd), form)
