"""The command line from end to end: a case is made, scanned, asked and reported in every format."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from command import COMMAND, CONTROL, RULE, STORY, Ran, environment, here, labrys, write_rules
from labrys import cli
from labrys.ocsf.attack import version

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
        (("rules", "check", "."), "no rules in it"),
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
