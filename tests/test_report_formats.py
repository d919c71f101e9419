"""The demo reported in every format, to standard output and to files."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from command import FORMATS, STORY, Ran, here, sources
from labrys.detect.registry import detectors


@pytest.mark.parametrize("form", FORMATS)
def test_results_go_to_standard_output_and_nothing_else(reports: dict[str, Ran], form: str) -> None:
    ran = reports[form]
    assert (ran.code, ran.err) == (0, "")
    assert ran.out


def test_ndjson_keeps_its_contract(reports: dict[str, Ran], case: Path) -> None:
    lines = reports["ndjson"].lines
    classes = [line["class_uid"] for line in lines]
    assert set(classes) == {2004, 2005}
    assert classes == sorted(classes), "findings come first, then incidents"
    read = set(sources(case))
    for line in lines:
        info = line["finding_info"]
        assert isinstance(info["uid"], str)
        assert info["uid"]
        assert isinstance(info["title"], str)
        assert info["title"]
        assert line["severity_id"] in range(1, 6)
        assert 0 <= line["confidence_score"] <= 100
        assert isinstance(line["is_alert"], bool)
        assert isinstance(line["metadata"]["product"]["feature"]["name"], str)
        assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", uid) for uid in techniques(info["attacks"]))
    findings = lines[: classes.index(2005)]
    assert len({line["finding_info"]["uid"] for line in findings}) == len(findings)
    for line in findings:
        name = line["metadata"]["product"]["feature"]["name"]
        assert name in ("sigma", "sigma.correlation", *(made.id for made in detectors()))
        assert line["finding_info"]["analytic"]["uid"]
        assert line["evidences"]
        for each in line["evidences"]:
            assert each["data"]["_source"] in read
            assert each["data"]["_source"].startswith("labrys-demo/evidence/")
            assert isinstance(each["data"]["_offset"], int)
            assert re.fullmatch(r"[0-9a-f]{20}-\d+", each["data"]["_id"])
    known = {line["finding_info"]["uid"] for line in findings}
    for line in lines[classes.index(2005) :]:
        assert {each["uid"] for each in line["finding_info_list"]} <= known


def techniques(attacks: list[dict[str, Any]]) -> list[str]:
    return [each["technique"]["uid"] for each in attacks if "technique" in each]


def test_csv_has_one_line_for_each_finding(reports: dict[str, Ran]) -> None:
    found = list(csv.DictReader(io.StringIO(reports["csv"].text, newline="")))
    uids = [row["finding_uid"] for row in found]
    wanted = [line for line in reports["ndjson"].lines if line["class_uid"] == 2004]
    assert sorted(uids) == sorted(line["finding_info"]["uid"] for line in wanted)
    assert {row["title"] for row in found} >= STORY
    assert all(None not in row and None not in row.values() for row in found)


def test_stix_is_a_bundle_whose_references_lead_somewhere(reports: dict[str, Ran]) -> None:
    bundle = json.loads(reports["stix"].out)
    assert bundle["type"] == "bundle"
    ids = [item["id"] for item in bundle["objects"]]
    assert len(ids) == len(set(ids))
    kinds = {item["type"] for item in bundle["objects"]}
    assert {"incident", "observed-data", "attack-pattern", "identity", "relationship"} <= kinds
    for item in bundle["objects"]:
        assert item["spec_version"] == "2.1"
        assert re.fullmatch(rf"{item['type']}--[0-9a-f-]{{36}}", item["id"])
        refs = [ref for name, value in item.items() if name.endswith("_refs") for ref in value]
        refs += [value for name, value in item.items() if name.endswith("_ref")]
        assert set(refs) <= set(ids)


def test_navigator_is_a_layer_of_the_techniques_found(reports: dict[str, Ran]) -> None:
    layer = json.loads(reports["navigator"].out)
    assert layer["domain"] == "enterprise-attack"
    assert layer["versions"]["layer"] == "4.5"
    lines = [line for line in reports["ndjson"].lines if line["class_uid"] == 2004]
    wanted = {uid for line in lines for uid in techniques(line["finding_info"]["attacks"])}
    assert {each["techniqueID"] for each in layer["techniques"]} == wanted
    assert all(0 < each["score"] <= 100 for each in layer["techniques"])


def test_timesketch_has_the_three_fields_it_asks_for(reports: dict[str, Ran]) -> None:
    lines = reports["timesketch"].lines
    assert len(lines) == sum(line["class_uid"] == 2004 for line in reports["ndjson"].lines)
    for line in lines:
        assert line["message"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["datetime"])
        assert line["timestamp_desc"]
        assert isinstance(line["timestamp"], int)


class Page(HTMLParser):
    """The data and the addresses in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.data: list[str] = []
        self.addresses: list[str] = []
        self.policy = ""
        self._in_data = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.tags.append(tag)
        self.addresses += [named[name] or "" for name in ("src", "href", "action") if name in named]
        self._in_data = tag == "script" and named.get("type") == "application/json"
        if (named.get("http-equiv") or "").lower() == "content-security-policy":
            self.policy = named["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data.append(data)


def test_the_page_holds_all_it_shows_and_asks_for_nothing(reports: dict[str, Ran]) -> None:
    page = Page()
    page.feed(reports["html"].text)
    assert page.tags[0] == "html"
    assert "default-src 'none'" in page.policy
    assert all(each.startswith("#") for each in page.addresses), page.addresses
    held = json.dumps(json.loads("".join(page.data)), ensure_ascii=False)
    for line in reports["ndjson"].lines:
        assert json.dumps(line["finding_info"]["title"], ensure_ascii=False)[1:-1] in held


def test_the_table_tells_every_incident(reports: dict[str, Ran]) -> None:
    text = reports["table"].text
    for line in reports["ndjson"].lines:
        if line["class_uid"] == 2005:
            assert line["finding_info"]["title"] in text
            assert line["finding_info"]["uid"] in text
    assert "15 sources" in text


@pytest.mark.parametrize("form", FORMATS)
def test_out_writes_the_same_to_a_file(
    form: str, reports: dict[str, Ran], case: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report"
    folder = case.parent
    ran = here("scan", "evidence", "--lake", case, "-q", "-f", form, "-o", out, cwd=folder)
    assert (ran.code, ran.out, ran.err) == (0, b"", "")
    times = re.compile(rb"[0-9.]+ CPU seconds|\"seconds\":[^]}]*")
    assert times.sub(b"", out.read_bytes()) == times.sub(b"", reports[form].out)
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
