import csv as stdlib_csv
import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from io import StringIO
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from labrys.ocsf.attack import version
from labrys.ocsf.schema import FINDING
from labrys.report import FORMATS, Problem, Report, Summary, csv, html, ndjson, stix, table, write
from labrys.report.testing import common, hostile
from labrys.triage import FOLDED, incidents
from labrys.triage.testing import case, many

MAKERS = {"common": common, "hostile": hostile}


@pytest.fixture(scope="module", params=sorted(MAKERS))
def report(request: pytest.FixtureRequest) -> Report:
    return MAKERS[request.param]()


@pytest.fixture(scope="module")
def empty() -> Report:
    nothing = FINDING.empty_table()
    return Report.of(nothing, incidents(nothing), Summary())


def text(report: Report, form: str) -> str:
    return b"".join(write(report, form)).decode()


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_the_same_report_gives_the_same_bytes(report: Report, form: str) -> None:
    assert text(report, form) == text(report, form)


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_an_empty_report_is_one_too(empty: Report, form: str) -> None:
    made = text(empty, form)
    if form in ("ndjson", "timesketch"):
        assert made == ""
    elif form in ("stix", "navigator"):
        assert json.loads(made)
    else:
        assert made


def test_the_contract_of_ndjson(report: Report) -> None:
    lines = [json.loads(line) for line in text(report, "ndjson").splitlines()]
    classes = [line["class_uid"] for line in lines]
    assert classes == sorted(classes)
    assert classes.count(2004) == report.findings.num_rows
    assert classes.count(2005) == report.incidents.num_rows
    uids = set()
    for line in lines:
        assert {
            "activity_id",
            "category_uid",
            "class_uid",
            "type_uid",
            "time",
            "severity_id",
        } <= set(line)
        assert line["type_uid"] == line["class_uid"] * 100 + line["activity_id"]
        assert line["category_uid"] == 2
        assert line["status_id"] == 1
        assert isinstance(line["time"], int)
        assert 1 <= line["severity_id"] <= 5
        assert 0 <= line["confidence_score"] <= 100
        assert isinstance(line["is_alert"], bool)
        product = line["metadata"]["product"]
        assert line["metadata"]["version"] == "1.8.0"
        assert product["name"] == product["vendor_name"] == "labrys"
        assert product["feature"]["name"]
        assert line["finding_info"]["uid"]
        for attack in line["finding_info"]["attacks"]:
            assert attack.get("technique", {}).get("uid") or attack.get("tactic", {}).get("name")
        for each in line["observables"]:
            assert {"name", "type_id", "value"} <= set(each)
        if line["class_uid"] == 2004:
            uids.add(line["finding_info"]["uid"])
            assert line["finding_info"]["analytic"]["type_id"] in (1, 2, 99)
            assert {"_source", "_offset", "_id"} == set(line["evidences"][0]["data"])
        else:
            assert line["assignee_group"]
            assert {each["uid"] for each in line["finding_info_list"]} <= uids


def test_a_finding_in_ocsf() -> None:
    found = case()
    made = [json.loads(line) for line in b"".join(ndjson.write(Report.of(found, incidents(found), Summary()))).splitlines()]  # fmt: skip
    dump = next(line for line in made if line["finding_info"]["title"].startswith("LSASS"))
    assert dump["finding_info"]["analytic"]["uid"] == "r-dump"
    assert dump["finding_info"]["attacks"] == [
        {
            "technique": {"uid": "T1003.001", "name": "LSASS Memory"},
            "tactic": {"uid": "TA0006", "name": "Credential Access"},
        }
    ]
    assert dump["unmapped"]["rule_author"] == "A. Analyst"
    assert dump["device"]["hostname"] == "WS01.corp.example"
    assert dump["evidences"][0]["actor"]["user"]["name"] == "CORP\\bob"
    assert dump["evidences"][0]["actor"]["process"]["file"]["name"] == "upd.exe"
    assert {"name": "actor.user.name", "type_id": 4, "type": "User Name", "value": "CORP\\bob"} in dump["observables"]  # fmt: skip
    incident = next(line for line in made if line["class_uid"] == 2005)
    assert incident["finding_info"]["title"].startswith("LSASS memory dumping")
    assert len(incident["finding_info_list"]) == 11
    lows = [line for line in made if line["severity_id"] == 2]
    assert sum(line["is_alert"] for line in lows) == 1


def test_csv_holds_every_finding_and_no_formula(report: Report) -> None:
    rows = list(stdlib_csv.DictReader(StringIO(text(report, "csv"), newline="")))
    assert len(rows) == report.findings.num_rows
    assert tuple(rows[0]) == csv.COLUMNS
    for row in rows:
        for value in row.values():
            assert not value.lstrip().startswith(("=", "+", "-", "@"))
            assert not re.search("[\x00-\x1f\u202a-\u202e]", value)
    if report.summary.case == "case/laptops":
        assert {row["incident"] for row in rows} == {"", "1", "2", "3", "4"}
        assert rows[0]["source"].startswith("case/")


@pytest.mark.parametrize("value", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", " =1", "\n+1"])
def test_formulas_are_quoted(value: str) -> None:
    assert csv.cell(value).startswith("'")


def test_numbers_stay_numbers() -> None:
    assert csv.cell(-5) == "-5"
    assert csv.cell(None) == ""


REQUIRED = {
    "identity": {"name"},
    "incident": {"name"},
    "attack-pattern": {"name"},
    "relationship": {"relationship_type", "source_ref", "target_ref"},
    "observed-data": {"first_observed", "last_observed", "number_observed", "object_refs"},
    "grouping": {"context", "object_refs"},
    "ipv4-addr": {"value"},
    "ipv6-addr": {"value"},
    "domain-name": {"value"},
    "url": {"value"},
    "user-account": set(),
    "file": set(),
    "directory": {"path"},
    "process": {"pid"},
    "windows-registry-key": {"key"},
}
DOMAIN = {"identity", "incident", "attack-pattern", "relationship", "observed-data", "grouping"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")


def test_stix_is_whole(report: Report) -> None:
    bundle = json.loads(text(report, "stix"))
    assert bundle["type"] == "bundle"
    objects = bundle["objects"]
    ids = [each["id"] for each in objects]
    assert len(ids) == len(set(ids))
    for each in objects:
        kind, _, uid = each["id"].partition("--")
        assert kind == each["type"]
        assert UUID(uid).version == 5
        assert each["spec_version"] == "2.1"
        assert set(each) >= REQUIRED[kind]
        if kind in DOMAIN:
            assert TIME.match(each["created"])
            assert each["modified"] >= each["created"]
        if kind == "observed-data":
            assert TIME.match(each["first_observed"])
            assert each["first_observed"] <= each["last_observed"]
            assert each["object_refs"]
        for name, value in each.items():
            refs = [value] if name.endswith("_ref") else value if name.endswith("_refs") else []
            assert set(refs) <= set(ids)
    kinds = {each["type"] for each in objects}
    assert {"incident", "grouping", "observed-data", "attack-pattern", "user-account"} <= kinds


def test_stix_ids_are_those_every_tool_gives() -> None:
    (made,) = stix._observable({"type": "ip", "value": "198.51.100.3"})
    assert made["id"] == "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4"


def test_a_navigator_layer(report: Report) -> None:
    layer = json.loads(text(report, "navigator"))
    assert layer["versions"]["layer"] == "4.5"
    assert layer["domain"] == "enterprise-attack"
    assert layer["name"]
    scores = {each["techniqueID"]: each["score"] for each in layer["techniques"]}
    assert scores.get("T1003.001", scores.get("T1003")) == 100
    assert all(0 <= score <= 100 for score in scores.values())


def test_a_technique_of_atlas_leads_to_atlas() -> None:
    (made,) = stix._attack_pattern("AML.T0051.001")["external_references"]
    assert made["source_name"] == "mitre-atlas"
    assert made["url"] == "https://atlas.mitre.org/techniques/AML.T0051.001"


def test_a_navigator_layer_keeps_techniques_that_we_have_no_name_for() -> None:
    layer = json.loads(text(with_attack(["T9876.001", "T9876", "T1059_1", "x"], []), "navigator"))
    assert [each["techniqueID"] for each in layer["techniques"]] == ["T9876", "T9876.001"]
    assert layer["versions"]["attack"] == version().split(".")[0]


def test_a_tactic_newer_than_our_names_is_called_by_its_own_words() -> None:
    made = with_attack([], ["credential-access", "stealth", "some-new-step"])
    (line, *_) = (json.loads(line) for line in text(made, "ndjson").splitlines())
    names = [each["tactic"]["name"] for each in line["finding_info"]["attacks"]]
    assert names == ["Credential Access", "Stealth", "Some New Step"]
    assert payload(text(made, "html"))["tactics"][-1] == ["some-new-step", "Some New Step"]


def with_attack(techniques: list[str], tactics: list[str]) -> Report:
    """The common report, with every finding of these."""
    whole, found = common(), common().findings
    for name, values in (("techniques", techniques), ("tactics", tactics)):
        at = found.schema.get_field_index(name)
        field = found.schema.field(at)
        found = found.set_column(at, field, pa.array([values] * found.num_rows, field.type))
    return Report.of(found, incidents(found), whole.summary, {})


def test_a_timesketch_timeline(report: Report) -> None:
    lines = [json.loads(line) for line in text(report, "timesketch").splitlines()]
    assert len(lines) == report.findings.num_rows
    for line in lines:
        assert TIME.match(line["datetime"])
        assert line["message"]
        assert line["timestamp_desc"]
        assert line["timestamp"] % 1000 == 0
    assert any("incident-1" in line["tag"] for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_keeps_its_width_and_obeys_nothing(report: Report, width: int) -> None:
    made = b"".join(table.write(report, width=width)).decode()
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", made
    )
    assert max(len(line) for line in made.splitlines()) <= width
    assert "CRITICAL" in made
    assert "inconclusive" in made


def test_the_table_says_how_much_it_leaves_out_and_where_that_is() -> None:
    report, count = common(), 53
    problems = tuple(Problem(f"case/{number}.log", f"fault {number}") for number in range(count))
    lines = [f"rule {number}" for number in range(count)]
    folded = pa.Table.from_pylist([{"line": line, "count": 1} for line in lines], FOLDED)
    report = replace(report, folded=folded, summary=replace(report.summary, problems=problems))
    made = b"".join(table.write(report, width=200)).decode()
    for what, kind in (("case/{}.log: ", "problems"), ("    rule {}\n", "rules")):
        assert what.format(19) in made
        assert what.format(20) not in made
        assert f"… and 33 more {kind}; labrys scan … --out FILE lists all" in made
    whole = b"".join(table.write(report, width=200, whole=True)).decode()
    assert all(f"case/{n}.log: " in whole and f"    rule {n}\n" in whole for n in range(count))
    assert "lists all" not in whole


def test_the_table_tells_a_reason_of_many_files_once() -> None:
    report = common()
    problems = tuple(Problem(f"case/{n}.log", "no known format at offset 7") for n in range(53))
    report = replace(report, summary=replace(report.summary, problems=problems))
    made = b"".join(table.write(report, width=200)).decode()
    assert "    53 × no known format\n      case/0.log at offset 7\n" in made
    assert "case/2.log" in made
    assert "case/3.log" not in made
    assert "      … and 50 more; labrys scan … --out FILE lists all\n" in made
    whole = b"".join(table.write(report, width=200, whole=True)).decode()
    assert all(f"      case/{n}.log at offset 7\n" in whole for n in range(53))


def test_the_table_says_what_matters() -> None:
    made = b"".join(table.write(common(), width=200)).decode()
    assert "same process {6c1b2f0e-0001" in made
    assert "rule by A. Analyst" in made
    assert "case/srv02/System.evtx at 65,536: chunk checksum does not match (17 times)" in made
    assert "2 findings are hidden by an exception" in made
    assert "Application package installed: 360 times on 12 hosts, low" in made
    assert "Not loaded: 1 rule; `labrys rules check DIR` says why." in made
    assert "Waiting for values of yours (--lists): 1 rule." in made


def test_colour_only_when_asked() -> None:
    assert b"\x1b[" in b"".join(table.write(common(), color=True))
    assert b"\x1b[" not in b"".join(table.write(common()))


def test_markup_in_evidence_is_text() -> None:
    made = b"".join(table.write(hostile(), width=160)).decode()
    assert "[bold red]markup[/] :skull:" in made


def payload(page: str) -> dict[str, Any]:
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert block
    made: dict[str, Any] = json.loads(block.group(1))
    return made


def test_the_page_lets_nothing_else_run(report: Report) -> None:
    page = text(report, "html")
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert (
            f"{tag}-src 'sha256-{b64encode(sha256(inside.encode()).digest()).decode()}'" in policy
        )
    assert payload(page)["incidents"]
    code = re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    code = re.sub(r"<title>.*</title>|<noscript>.*</noscript>", "", code, flags=re.DOTALL)
    assert re.findall(r"https?://[\w./-]+", code) == ["http://www.w3.org/2000/svg"]
    assert " style=" not in re.sub(r"<script>.*</script>", "", page, flags=re.DOTALL)


def test_the_page_escapes_what_stands_in_its_html() -> None:
    page = text(hostile(), "html")
    assert "<title>labrys: &lt;/script&gt;&lt;script&gt;" in page
    assert "{{script}} {{data}} ${1+1}" in page


def test_the_page_stays_small_and_says_what_it_leaves_out() -> None:
    found = many(5000)
    page = text(Report.of(found, incidents(found), Summary()), "html")
    assert len(page) < 2_000_000
    steady = case().to_pylist()
    rows = [row | {"uid": f"{number}{row['uid']}"} for number in range(900) for row in steady[:1]]
    large = many(10).from_pylist([row | {"severity_id": 4} for row in rows], schema=FINDING)
    made = payload(text(Report.of(large, incidents(large), Summary()), "html"))
    assert made["incidents"][0]["total"] == 900
    assert len(made["incidents"][0]["findings"]) == 200


def test_html_data_cannot_end_its_element() -> None:
    assert html.as_data(b'"</script><!-- &amp; \xe2\x80\xa8"') == (
        b'"\\u003c/script\\u003e\\u003c!-- \\u0026amp; \\u2028"'
    )
