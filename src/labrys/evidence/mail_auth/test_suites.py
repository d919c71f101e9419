"""The suites that implementers of SPF and ARC share, and the example of RFC 8463, where there are."""

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from labrys.evidence.mail.mime import parse
from labrys.evidence.mail_auth import arc, dkim, spf
from labrys.evidence.mail_auth.signature import signed
from labrys.evidence.mail_auth.zone import Zone

DATA = Path(__file__).parents[5] / "shared" / "data" / "mail"
FILE = DATA / "mail_fixtures_dkim_arc_dmarc_mime.tar.xz"
STRICTER = {
    "ams_fields_c_na",  # takes the relaxed form where none is named; RFC 6376 and 8617: the simple one
    "ams_fields_h_empty",  # signs no field at all, not even From: such a link speaks for nobody
}
"""Chains that the suite, of a draft of ARC, lets pass and that fail here."""
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FILE.is_file(), reason=f"{FILE} is not there"),
]


@pytest.fixture(scope="module")
def held() -> dict[str, bytes]:
    wanted = ("rfc7208-tests.yml", "arc-draft-validation-tests.yml", "rfc8463-example.msg")
    with tarfile.open(FILE) as archive:
        return {
            Path(member.name).name: archive.extractfile(member).read()
            for member in archive
            if member.isfile() and member.name.endswith(wanted)
        }


def zone(data: Mapping[str, list[Any]]) -> Zone:
    """The names of a suite: there are no others. Records of the old type SPF stand for TXT."""
    made = Zone()
    made.closed.add("*")
    for name, records in data.items():
        given = [one for one in records if isinstance(one, dict)]
        has_text = any("TXT" in one for one in given)
        for kind, value in ((kind, value) for one in given for kind, value in one.items()):
            if value == "NONE" or (kind == "SPF" and has_text):
                continue
            if kind == "MX":
                value = f"{value[0]} {value[1]}"
            text = "".join(value) if isinstance(value, list) else str(value)
            made.add(str(name), "TXT" if kind == "SPF" else kind, text)
    return made


def test_spf_as_the_suite_wants_it(held):
    seen, wrong = 0, []
    for part in yaml.safe_load_all(held["rfc7208-tests.yml"]):
        records = zone(part["zonedata"])
        for name, case in part["tests"].items():
            wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
            if "temperror" in wanted:  # of a server that does not answer: there is none here
                continue
            sender, helo = str(case["mailfrom"] or ""), str(case["helo"])
            found = spf.check(records, str(case["host"]), sender, helo)
            seen += 1
            if found.result not in wanted:
                wrong.append((name, found, wanted))
    assert wrong == []
    assert seen > 190


def test_arc_as_the_suite_wants_it(held):
    seen, wrong = 0, []
    for part in yaml.safe_load_all(held["arc-draft-validation-tests.yml"]):
        records = Zone()
        records.closed.add("*")
        for name, text in (part.get("txt-records") or {}).items():
            records.add(name, "TXT", text)
        for name, case in part["tests"].items():
            if not case["cv"]:  # the suite leaves it open
                continue
            raw = case["message"].encode()
            message = parse(raw, 0, len(raw))
            found = arc.check(signed(message.headers.block, raw[message.body :]), records)
            seen += 1
            if found.result != case["cv"].lower():
                wrong.append((name, found, case["cv"]))
    assert {name for name, _, _ in wrong} == STRICTER
    assert seen > 160


def test_the_example_of_rfc_8463(held):
    raw = held["rfc8463-example.msg"]
    records = Zone()
    for selector, key in (
        ("brisbane", "k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
        (
            "test",
            "k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bd"
            "OKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvH"
            "O9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
        ),
    ):
        records.add(f"{selector}._domainkey.football.example.com", "TXT", f"v=DKIM1; {key}")
    message = parse(raw, 0, len(raw))
    found = dkim.check(signed(message.headers.block, raw[message.body :]), records, None)
    assert [(one.result, one.domain) for one in found] == [("pass", "football.example.com")] * 2
