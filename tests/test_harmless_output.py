"""What attackers write into evidence, names and rules does nothing where it is shown."""

import csv
import io
import json
from pathlib import Path

import pytest

from command import (
    CONTROL,
    FORMATS,
    RULE,
    here,
    labrys,
    write_rules,
)

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
