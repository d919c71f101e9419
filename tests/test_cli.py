"""The command line from end to end: a case is made, scanned, asked and reported in every format."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import typer

from command import COMMAND, CONTROL, Ran, environment, here, labrys, sources
from labrys import cli
from labrys.cli.app import app
from labrys.detect.registry import detectors
from labrys.ocsf.attack import version

FORMATS = ("table", "ndjson", "csv", "html", "stix", "navigator", "timesketch")
STORY = {
    "Password guessed: a logon succeeded after many failures",
    "Root shell, account or key change through sudo",
    "CloudTrail stopped, deleted or narrowed",
    "Office program starts a script interpreter",
    "PowerShell with an encoded command",
    "Burst of discovery commands",
    "LSASS memory dumped through comsvcs.dll",
    "Service with a shell or an executable in a share or temporary folder",
    "Copy of the Active Directory database",
    "Shadow copies or backups deleted",
    "Large upload to one outside address",
    "Event log cleared",
}
"""What the intruder of the demo does, as our own rules and detectors call it."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    folder = tmp_path_factory.mktemp("demo")
    return labrys("demo", cwd=folder), folder / "labrys-demo"


@pytest.fixture(scope="module")
def case(demo: tuple[Ran, Path]) -> Path:
    return demo[1] / "case.labrys"


@pytest.fixture(scope="module")
def reports(demo: tuple[Ran, Path]) -> dict[str, Ran]:
    """The demo's evidence scanned again, once for each format."""
    _, folder = demo
    words = ("scan", "evidence", "--lake", "case.labrys", "-q", "-f")
    return {form: here(*words, form, cwd=folder) for form in FORMATS}


# The demo


def test_the_demo_finds_its_intrusion(demo: tuple[Ran, Path]) -> None:
    ran, folder = demo
    assert ran.code == 0, ran.err
    assert "Traceback" not in ran.err
    lines = here("incidents", "--json", "--lake", folder / "case.labrys").lines
    incidents = [line for line in lines if line["class_uid"] == 2005]
    assert 1 <= len(incidents) <= 5
    assert incidents[0]["severity"] == "Critical"
    titles = {line["finding_info"]["title"] for line in lines if line["class_uid"] == 2004}
    assert titles >= STORY
    for incident in incidents:
        assert incident["finding_info"]["title"] in ran.text


def test_the_demo_writes_a_page_as_well(demo: tuple[Ran, Path]) -> None:
    ran, folder = demo
    assert (folder / "report.html").stat().st_size > 10_000
    assert "report.html" in ran.err
    assert not list(folder.glob(".*"))


def test_the_demo_does_not_pass_real_evidence_for_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine" / "evidence").mkdir(parents=True)
    (tmp_path / "mine" / "evidence" / "Security.evtx").write_bytes(b"real")
    ran = here("demo", "mine", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, b"")
    assert "Security.evtx: is not a file that the demo writes" in ran.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["evidence"]


def test_the_demo_scanned_again_says_the_same(reports: dict[str, Ran], case: Path) -> None:
    again = labrys(
        *("scan", "evidence", "--lake", "case.labrys", "-q", "-f", "ndjson"), cwd=case.parent
    )
    assert again == reports["ndjson"]


# Formats


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


# Where things are said, and how commands end


def test_progress_is_on_standard_error(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text("Nov 17 10:00:00 web sshd[1]: Connection closed\n")
    ran = labrys("scan", "web.log", "-f", "ndjson", cwd=tmp_path)
    assert (ran.code, ran.out) == (0, b"")
    assert "finding evidence" in ran.err
    assert "web.log.labrys" in ran.err
    assert not CONTROL.search(ran.err)


def test_unreadable_evidence_makes_the_result_inconclusive(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "empty.log").write_bytes(b"")
    ran = labrys("scan", "case", "-q", cwd=tmp_path)
    assert ran.code == 1
    assert "inconclusive" in ran.text
    assert "case/empty.log: empty file" in ran.text
    again = labrys("scan", tmp_path / "case", "-q", "--lake", "case.labrys", cwd=tmp_path)
    assert (again.code, "empty.log: empty file" in again.text) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("scan",), "Missing argument"),
        (("scan", "nowhere"), "no such file or folder: nowhere"),
        (("scan", ".", "--only", "gues"), "there are: sigma, "),
        (("scan", ".", "--format", "pdf"), "is not one of"),
        (("scan", ".", "--jobs", "-1"), "--jobs"),
        (("scan", ".", "--rules", "nowhere"), "nowhere"),
        (("scan", ".", "--rules", "."), "no rules in it"),
        (("scan", ".", "--lists", "nowhere"), "nowhere"),
        (("scan", ".", "--out", "no/where"), "there is no folder no"),
        (("scan", ".", "--engine", "oracle"), "oracle"),
        (("hunt",), "--explain-schema"),
        (("hunt", "SELECT 1", "--format", "parquet"), "--out"),
        (("hunt", "SELECT 1"), "no case here"),
        (("hunt", "SELECT 1", "--lake", "nowhere"), "nowhere"),
        (("respond", "list", "--lake", "nowhere"), "nowhere"),
        (("incidents",), "no case here"),
        (("rules", "check", "nowhere"), "nowhere"),
        (("frobnicate",), "No such command"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_bad_usage_is_2_and_says_what_is_wrong(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    ran = here(*arguments, cwd=tmp_path)
    assert (ran.code, ran.out) == (2, b"")
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert "bug" not in ran.err


def test_a_case_is_not_evidence(case: Path, tmp_path: Path) -> None:
    for command in ("scan", "watch"):
        ran = here(command, case, cwd=tmp_path)
        assert (ran.code, ran.out) == (2, b"")
        assert f"labrys incidents --lake {case}" in ran.err
    assert not list(tmp_path.iterdir())


def test_no_evidence_is_not_a_clean_result(tmp_path: Path) -> None:
    ran = here("scan", tmp_path, "-q", "--lake", tmp_path / "case.labrys")
    assert ran.code == 1
    assert "inconclusive" in ran.text
    assert "nothing was read" in ran.text


def test_a_bug_is_3_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("it broke \x1b[31m")

    monkeypatch.setattr("labrys.scan.run.scan", broken)
    (tmp_path / "a.log").write_text("a\n")
    ran = here("scan", "a.log", "-q", cwd=tmp_path)
    assert (ran.code, ran.out) == (3, b"")
    assert "RuntimeError: it broke \\x1b[31m" in ran.err
    assert "not in your evidence" in ran.err
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match="it broke"):
        cli.main(["--debug", "scan", "a.log", "-q"])


def test_a_place_that_cannot_be_written_is_named(case: Path, tmp_path: Path) -> None:
    out = tmp_path / "no" / "folder"
    for arguments in (
        ("incidents", "--lake", case),
        ("hunt", "SELECT 1", "--lake", case, "--out", out),
        ("hunt", "SELECT 1", "--lake", case, "--out", out, "--format", "parquet"),
        ("scan", tmp_path, "-q", "--lake", case, "--out", out),
    ):
        if "--out" in arguments:
            ran = here(*arguments)
            assert (ran.code, ran.out) == (2, b"")
            assert f"{out}: cannot be written" in ran.err
        elif Path("/dev/full").exists():
            with Path("/dev/full").open("wb") as full:
                done = subprocess.run(
                    [*COMMAND, *map(str, arguments)],
                    stdout=full,
                    stderr=subprocess.PIPE,
                    env=environment(),
                    check=False,
                )
            assert done.returncode == 2
            assert b"standard output: cannot be written (No space left" in done.stderr


def test_a_reader_that_has_had_enough_is_no_error(case: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "hunt", "SELECT * FROM range(300000)", "-f", "ndjson", "--lake", str(case)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b'{"range":0}\n'
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


# Hunting


def test_hunting_in_every_format(case: Path, tmp_path: Path) -> None:
    sql = (
        "SELECT user_name, count(*) AS n FROM authentication WHERE src_endpoint_ip = '203.0.113.66'"
        " GROUP BY 1 ORDER BY n DESC, 1 LIMIT 2"
    )
    wanted = here("hunt", sql, "--lake", case, "-f", "ndjson").lines
    assert wanted[0]["user_name"] == "deploy"
    assert wanted[0]["n"] > 40
    assert json.loads(here("hunt", sql, "--lake", case, "-f", "json").out) == wanted
    lines = here("hunt", sql, "--lake", case, "-f", "csv").text.splitlines()
    assert lines == ["user_name,n", *(f"{row['user_name']},{row['n']}" for row in wanted)]
    table = here("hunt", sql, "--lake", case).text.split()
    assert table[:2] == ["user_name", "n"]
    assert table[-2:] == [wanted[1]["user_name"], str(wanted[1]["n"])]
    out = tmp_path / "rows.parquet"
    assert here("hunt", sql, "--lake", case, "-f", "parquet", "-o", out).out == b""
    assert pq.read_table(out).to_pylist() == wanted


def test_rows_of_many_columns_are_drawn_down_the_page(case: Path) -> None:
    sql = "SELECT * FROM authentication WHERE service_name = 'sshd' ORDER BY _offset LIMIT 2"
    ran = here("hunt", sql, "--lake", case, env={"COLUMNS": "80"})
    assert ran.code == 0
    assert ran.text.splitlines()[0] == "row 1"
    assert "row 2" in ran.text.splitlines()
    assert re.search(r"^  service_name +sshd$", ran.text, re.MULTILINE)


def test_a_long_table_is_cut_and_says_so(case: Path) -> None:
    ran = here("hunt", "SELECT * FROM range(1000)", "--lake", case, "--rows", "5")
    assert "1,000 rows, 5 shown" in ran.err
    assert len(ran.text.split()) == 1 + 1 + 5  # the name, the line below it, the rows
    ran = here("hunt", "SELECT * FROM range(1000)", "--lake", case, "--rows", "0")
    assert (ran.err, len(ran.text.split())) == ("", 1002)


def test_the_schema_explains_itself(case: Path) -> None:
    every = here("hunt", "--explain-schema", "--lake", case, "-f", "ndjson").lines
    assert {"authentication", "process_activity", "linux_sshd"} <= {row["view"] for row in every}
    one = here(
        *("hunt", "--explain-schema", "--view", "authentication", "--lake", case, "-f", "ndjson")
    ).lines
    assert {row["view"] for row in one} == {"authentication"}
    by_column = {row["column"]: row for row in one}
    assert by_column["user_name"]["ocsf"] == "user.name"
    assert "linux.sshd" in by_column["user_name"]["shapes"]
    ran = here("hunt", "--explain-schema", "--view", "authentification", "--lake", case)
    assert (ran.code, "did you mean authentication" in ran.err) == (2, True)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP VIEW authentication",
        "CREATE TABLE mine AS SELECT 1",
        "COPY (SELECT 1) TO 'stolen.csv'",
        "INSERT INTO authentication VALUES (1)",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM 'https://example.com/x.parquet'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "ATTACH 'other.db'",
        "PRAGMA database_list",
        "SET memory_limit = '1TB'",
        "SELECT getenv('HOME')",
        "SELECT 1; SELECT 2",
        "SELECT",
        "not SQL at all \x1b[31m",
    ],
)
def test_a_hunt_only_reads_the_case(sql: str, case: Path, tmp_path: Path) -> None:
    ran = here("hunt", sql, "--lake", case, cwd=tmp_path)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err.startswith("labrys: ")
    assert not CONTROL.search(ran.err)
    assert list(tmp_path.iterdir()) == []


def test_a_hunt_says_what_was_probably_meant(case: Path) -> None:
    ran = here("hunt", "SELECT * FROM proces_activity", "--lake", case)
    assert (ran.code, "did you mean process_activity" in ran.err) == (2, True)
    ran = here("hunt", "SELECT usr_name FROM authentication", "--lake", case)
    assert (ran.code, '"user_name"' in ran.err) == (2, True)


def test_commands_find_the_case_scanned_last_here(case: Path) -> None:
    ran = here("hunt", "SELECT count(*) AS n FROM linux_sshd", "-f", "ndjson", cwd=case.parent)
    assert ran.lines[0]["n"] > 100


# Incidents


def test_one_incident_by_rank_or_id(case: Path) -> None:
    every = here("incidents", "--json", "--lake", case).lines
    first = next(line for line in every if line["class_uid"] == 2005)
    uid = first["finding_info"]["uid"]
    by_rank = here("incidents", "1", "--json", "--lake", case)
    assert by_rank.code == 0
    assert by_rank.out == here("incidents", uid, "--json", "--lake", case).out
    assert by_rank.out == here("incidents", uid[:10], "--json", "--lake", case).out
    members = {each["uid"] for each in first["finding_info_list"]}
    assert {line["finding_info"]["uid"] for line in by_rank.lines} == {uid, *members}
    table = here("incidents", "1", "--lake", case).text
    assert first["finding_info"]["title"] in table
    ran = here("incidents", "99", "--lake", case)
    assert (ran.code, "this case has one, of rank 1" in ran.err) == (2, True)


def test_incidents_are_those_of_the_scan(case: Path, reports: dict[str, Ran]) -> None:
    shown = here("incidents", "--json", "--lake", case).lines
    assert sorted(map(json.dumps, shown)) == sorted(map(json.dumps, reports["ndjson"].lines))


# Choosing detectors and rules


def test_only_runs_what_is_named(case: Path) -> None:
    def detectors(*names: str) -> set[str]:
        only = [word for name in names for word in ("--only", name)]
        ran = here(
            *("scan", "evidence", "-q", "-f", "ndjson", "--lake", case, *only), cwd=case.parent
        )
        lines = [line for line in ran.lines if line["class_uid"] == 2004]
        return {line["metadata"]["product"]["feature"]["name"] for line in lines}

    assert detectors("guessing") == {"guessing"}
    assert detectors("sigma") == {"sigma", "sigma.correlation"}
    assert detectors("guessing", "sigma") == {"guessing", "sigma", "sigma.correlation"}


RULE = """
title: {title}
id: 8f3d1b52-0f2e-4c58-9a57-1f6a3f2f0a0{number}
author: tester
logsource: {{product: linux, service: sshd}}
detection:
  wrong: {{message|contains: 'Failed password'}}
  condition: {condition}
level: low
"""


def write_rules(folder: Path, **rules: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in rules.items():
        (folder / f"{name}.yml").write_text(text)
    return folder


def test_own_rules_are_added_or_stand_alone(case: Path, tmp_path: Path) -> None:
    mine = write_rules(tmp_path / "mine", a=RULE.format(title="Mine", number=1, condition="wrong"))

    def titles(*options: str | Path) -> set[str]:
        ran = here(
            *("scan", "evidence", "-q", "-f", "ndjson", "--lake", case, *options), cwd=case.parent
        )
        return {line["finding_info"]["title"] for line in ran.lines if line["class_uid"] == 2004}

    assert titles("-r", mine) >= {"Mine", *STORY}
    assert titles("-r", mine, "--no-own-rules", "--only", "sigma") == {"Mine"}
    assert titles() >= STORY
    assert "Mine" not in titles()


def test_all_that_could_not_be_read_is_in_a_file_and_the_screen_says_so(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    names = [f"{number}.bin" for number in range(25)]
    for number, name in enumerate(names):
        (tmp_path / "odd" / name).write_bytes(bytes([0, 1, number]) * 99)
    scan = ("scan", "odd", "--no-own-rules", "-q", "--lake", "c")
    ran = labrys(*scan, cwd=tmp_path)
    assert ran.code == 1
    assert "25 × no reader knows this format" in ran.text
    assert "… and 22 more; labrys scan … --out FILE lists all" in ran.text
    assert labrys(*scan, "--out", "all.txt", cwd=tmp_path).code == 1
    whole = (tmp_path / "all.txt").read_text()
    assert all(f"odd/{name}\n" in whole for name in names)


def test_every_rule_that_is_not_loaded_is_listed(tmp_path: Path) -> None:
    rules = {f"broken{number}": "title: [\n" for number in range(25)}
    ran = here("rules", "check", write_rules(tmp_path, **rules))
    assert len(re.findall(r"^rejected .*/broken\d+\.yml: ", ran.text, re.MULTILINE)) == 25


def test_good_rules_pass_the_check(tmp_path: Path) -> None:
    good = write_rules(tmp_path, a=RULE.format(title="Good", number=1, condition="wrong"))
    ran = here("rules", "check", good)
    assert (ran.code, ran.err) == (0, "")
    assert ran.text.startswith("1 loaded, 0 waiting for a list, 0 rejected")


def test_bad_rules_are_named_with_their_reasons(tmp_path: Path) -> None:
    folder = write_rules(
        tmp_path,
        good=RULE.format(title="Good", number=1, condition="wrong"),
        undefined=RULE.format(title="Undefined \x1b[31m", number=2, condition="right"),
        broken="title: [\n",
        tagged="!!python/object/apply:os.system ['touch pwned']",
        bomb="a: &a [x,x,x]\nb: &b [*a,*a,*a]\ntitle: bomb\n",
        waiting=RULE.format(title="Waiting", number=3, condition="wrong")
        .replace("'Failed password'", "'%words%'")
        .replace("contains", "contains|expand"),
    )
    ran = here("rules", "check", folder)
    assert ran.code == 1
    assert not CONTROL.search(ran.text)
    for name in ("undefined", "broken", "tagged", "bomb"):
        assert re.search(rf"^rejected .*{name}\.yml: .+: .+", ran.text, re.MULTILINE), name
    assert re.search(r"^waiting .*waiting\.yml: .*%?words", ran.text, re.MULTILINE)
    assert not list(tmp_path.rglob("pwned"))
    assert not Path("pwned").exists()

    checked = json.loads(here("rules", "check", folder, "--json").out)
    assert (checked["loaded"], checked["waiting"], checked["rejected"]) == (1, 1, 4)

    lists = tmp_path / "lists.yaml"
    lists.write_text("words: [Failed]\n")
    folder.joinpath("lists.yaml").rename(tmp_path.parent / "lists.yaml")
    checked = json.loads(
        here("rules", "check", folder, "--json", "--lists", tmp_path.parent / "lists.yaml").out
    )
    assert (checked["loaded"], checked["waiting"]) == (2, 0)


def test_the_doctor_says_what_is_there() -> None:
    ran = here("doctor", "--json")
    assert ran.code == 0, ran.text
    lines = json.loads(ran.out)
    assert all({"part", "name", "state", "detail"} == set(line) for line in lines)
    assert {line["state"] for line in lines} <= {"ok", "missing"}
    by_part = {line["part"] for line in lines}
    assert {"labrys", "package", "extra", "format", "rules", "detector", "data"} <= by_part
    assert {"evtx", "syslog", "zeek"} <= {
        line["name"] for line in lines if line["part"] == "format"
    }
    (attack,) = (line["detail"] for line in lines if line["name"] == "MITRE ATT&CK")
    assert f"version {version()}" in attack
    plain = here("doctor").text
    assert all(line["name"] in plain for line in lines)


def test_the_doctor_finds_what_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labrys.cli.doctor._CORE", ("duckdb", "no-such-package"))
    ran = here("doctor")
    assert ran.code == 1
    assert "! package   no-such-package" in ran.text


# What attackers write


HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202egnp.exe\u200b\x9b31m\x7f\u2066"
FORMULA = '=HYPERLINK("http://evil.example","x")'


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case in which every name and value wants to act on whoever looks at it."""
    folder = tmp_path_factory.mktemp("hostile")
    events = []
    for number, line in enumerate((HOSTILE, FORMULA, f" {FORMULA}", f"\t+1{HOSTILE}", "@SUM(1)")):
        system = {
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon"}},
            "EventID": 1,
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "Computer": f"{line[:1]}ws{HOSTILE}",
            "TimeCreated": {"#attributes": {"SystemTime": f"2026-11-17T10:00:0{number}.000Z"}},
        }
        data = {
            "Image": f"C:\\Windows\\System32\\vssadmin.exe{HOSTILE if number else ''}",
            "CommandLine": f"{line} vssadmin delete shadows /all /quiet",
            "User": f"EXAMPLE\\{line}",
            "ParentImage": f"C:\\{line}\\winword.exe",
            f"Odd{HOSTILE}": f"{FORMULA}{HOSTILE}",
        }
        events.append(json.dumps({"Event": {"System": system, "EventData": data}}))
    # What JSON escapes could hide behind is written out as it is, in bytes.
    text = "\n".join(events).encode()
    (folder / "evidence").mkdir()
    (folder / "evidence" / f"sysmon{HOSTILE}.json").write_bytes(text)
    (folder / "evidence" / f"=empty{HOSTILE}\nlabrys: all is well").write_bytes(b"")
    rule = (
        RULE.format(title="Seen", number=1, condition="wrong")
        .replace(
            "{product: linux, service: sshd}", "{product: windows, category: process_creation}"
        )
        .replace("message|contains: 'Failed password'", "CommandLine|contains: 'delete shadows'")
    )
    write_rules(folder / "rules", seen=rule)
    ran = labrys("scan", "evidence", "-r", "rules", cwd=folder)
    assert ran.code == 1, ran.err
    assert not CONTROL.search(ran.err + ran.text)
    return folder


@pytest.mark.parametrize("form", FORMATS)
def test_no_report_acts_on_a_terminal(hostile: Path, form: str) -> None:
    ran = here("scan", "evidence", "-r", "rules", "-f", form, cwd=hostile)
    assert ran.code == 1, ran.err
    assert not CONTROL.search(ran.err)
    text = ran.text.replace("\r\n", "\n") if form == "csv" else ran.text
    found = CONTROL.search(text)
    assert found is None, text[max(0, found.start() - 80) : found.end() + 20]
    assert "labrys: all is well" not in [line.strip() for line in text.splitlines()]
    if form == "ndjson":
        users = [each["value"] for line in ran.lines for each in line["observables"]]
        assert any("\x1b[2j" in value.lower() for value in users), "JSON keeps what was there"
    if form == "csv":
        for row in csv.reader(io.StringIO(ran.text, newline="")):
            assert all(not cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row), row
            assert all(not cell.startswith(("\t", "\r")) for cell in row)


@pytest.mark.parametrize("form", ["table", "csv", "json", "ndjson"])
def test_no_hunt_acts_on_a_terminal(hostile: Path, form: str) -> None:
    lake = hostile / "evidence.labrys"
    for sql in ("SELECT * FROM windows_sysmon_1", 'SELECT "CommandLine" FROM windows_sysmon_1'):
        ran = here("hunt", sql, "--lake", lake, "-f", form)
        assert ran.code == 0, ran.err
        assert not CONTROL.search(ran.text.replace("\r\n", "\n"))
        if form == "csv":
            for row in csv.reader(io.StringIO(ran.text, newline="")):
                assert all(not cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row), row
        if form == "ndjson":
            assert any(HOSTILE in str(row["CommandLine"]) for row in ran.lines)


# Help and start-up


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command there is, groups too, with its words."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        yield words, command
        for name, below in getattr(command, "commands", {}).items():
            waiting.append(((*words, name), below))


@pytest.mark.parametrize(
    ("words", "command"),
    list(commands()),
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_help_tells_every_option(words: tuple[str, ...], command: Any) -> None:
    ran = here(*words, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert here(*words, "-h").out == ran.out
    assert command.help
    for parameter in command.params:
        for option in (*parameter.opts, *parameter.secondary_opts):
            if option.startswith("-"):
                assert re.search(rf"(?<![\w-]){option}(?![\w-])", ran.text), option
        assert parameter.help, f"{parameter.name} of {words} is not explained"
    for name in getattr(command, "commands", {}):
        line = re.search(rf"^  {name} +\S.*$", ran.text, re.MULTILINE)
        assert line, name
        assert not line[0].endswith("..."), "its first sentence is too long for the list"


def test_every_command_of_the_contract_is_there() -> None:
    names = {words for words, _ in commands()}
    assert {
        ("scan",),
        ("hunt",),
        ("incidents",),
        ("rules", "check"),
        ("doctor",),
        ("demo",),
    } <= names


@pytest.mark.parametrize("arguments", ["['--help']", "['scan', '--help']", "['--version']"])
def test_help_imports_nothing_heavy(arguments: str) -> None:
    code = (
        "import sys\nfrom labrys.cli import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit:\n    pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    heavy = {
        *("pyarrow", "duckdb", "ibis", "numpy", "pandas", "hyperscan", "re2", "sigma", "yaml"),
        *("rich", "evtx", "py7zr", "sqlglot", "pyspark", "sklearn", "lightgbm", "orjson"),
        *("multiprocessing", "sqlite3", "asyncio", "requests", "urllib3", "http.client"),
    }
    assert done.stdout
    assert not heavy & set(done.stderr.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(shell: str) -> None:
    script = labrys("--show-completion", shell, cwd=Path.cwd())
    assert script.code == 0
    assert "_LABRYS_COMPLETE" in script.text
    asked = {
        "_LABRYS_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "labrys inc",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "labrys inc",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    assert "incidents" in labrys(cwd=Path.cwd(), env=asked).text


def test_the_version_is_that_of_the_package() -> None:
    from labrys import __version__

    assert here("--version").text == f"labrys {__version__}\n"


def test_settings_come_from_the_environment_but_never_from_the_evidence(
    tmp_path: Path,
) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "a.log").write_text("Nov 17 10:00:00 web sshd[1]: hello\n")
    (tmp_path / "evidence" / "labrys.toml").write_text('lake = "stolen"\nengine = "sc://evil:1"\n')
    ran = labrys(
        "scan", ".", "-q", cwd=tmp_path / "evidence", env={"LABRYS_LAKE": str(tmp_path / "mine")}
    )
    assert ran.code == 0, ran.err
    assert (tmp_path / "mine" / "ledger.sqlite").is_file()
    assert not (tmp_path / "evidence" / "stolen").exists()
    ran = labrys("scan", ".", "-q", cwd=tmp_path, env={"LABRYS_JOBS": "many"})
    assert (ran.code, "settings from the environment" in ran.err) == (2, True)
