import json
import shutil
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labrys.detect.contract import RowDetector
from labrys.detect.evasion import train
from labrys.detect.evasion.canon import LONGEST, Canon, canonical, suspicious
from labrys.detect.evasion.detect import detect, with_rules
from labrys.detect.evasion.explain import OBFUSCATED
from labrys.detect.evasion.loose import loosened, ordinary_table
from labrys.detect.evasion.readings import readings
from labrys.detect.evasion.score import folder, model, read, scores
from labrys.detect.evasion.threat import COST, POSIX, WINDOWS, disguised
from labrys.detect.registry import detectors
from labrys.detect.sigma.cache import load
from labrys.detect.sigma.detector import SigmaDetector
from labrys.errors import ModelError
from labrys.ocsf.schema import FINDING, Severity

SYSMON = "windows.sysmon.1"
RULES = {
    "shadows": r"""
title: Shadow copies deleted
id: 6d1e0f6e-0001-4c3c-9f6f-000000000001
status: stable
author: a tester
level: high
tags: [attack.impact, attack.t1490]
logsource: {product: windows, category: process_creation}
detection:
  a:
    Image|endswith: '\vssadmin.exe'
    CommandLine|contains: 'delete shadows'
  condition: a
""",
    "run key": r"""
title: Program started at logon
id: 6d1e0f6e-0002-4c3c-9f6f-000000000002
status: test
author: another tester
level: medium
tags: [attack.persistence, attack.t1547.001]
logsource: {product: windows, category: process_creation}
detection:
  a:
    CommandLine|contains|all: ['reg add', '\CurrentVersion\Run', ' /v ']
  condition: a
""",
    "shadow file": r"""
title: Password hashes read
id: 6d1e0f6e-0003-4c3c-9f6f-000000000003
status: test
author: a tester
level: medium
tags: [attack.credential-access, attack.t1003.008]
logsource: {product: linux, category: process_creation}
detection:
  a:
    CommandLine|contains: 'cat /etc/shadow'
  condition: a
""",
    "whoami": r"""
title: Who am I
id: 6d1e0f6e-0004-4c3c-9f6f-000000000004
status: test
author: a tester
level: low
logsource: {product: windows, category: process_creation}
detection:
  a:
    CommandLine|contains: 'whoami'
  condition: a
""",
}


@pytest.fixture(scope="module")
def armed(tmp_path_factory: pytest.TempPathFactory) -> RowDetector:
    place = tmp_path_factory.mktemp("rules")
    for name, text in RULES.items():
        (place / f"{name}.yml").write_text(text, encoding="utf-8")
    rules = load([place])
    assert rules.rejected == ()
    made = next(one for one in detectors() if one.id == "evasion")
    return with_rules(made, rules, SigmaDetector(rules), lambda _, make: make())


def events(*lines: str | None, **more: Any) -> pa.Table:
    count = len(lines)
    columns: dict[str, Any] = {
        "_id": [f"r{number}" for number in range(count)],
        "_time": pa.array([1000 + number for number in range(count)], pa.int64()),
        "_source": ["x.evtx"] * count,
        "_offset": pa.array(range(count), pa.int64()),
        "_host": ["pc1"] * count,
        "Computer": ["pc1"] * count,
        "Image": [r"C:\Windows\System32\vssadmin.exe"] * count,
        "CommandLine": pa.array(lines, pa.string()),
    }
    columns |= {name: [value] * count for name, value in more.items()}
    return pa.table(columns)


def found(detector: RowDetector, *lines: str, shape: str = SYSMON, **more: Any) -> list[Any]:
    table = detector.detect(shape, events(*lines, **more))
    assert table.schema == FINDING
    return table.to_pylist()


def reasons(finding: dict[str, Any]) -> dict[str, str]:
    return {reason["feature"]: reason["value"] for reason in finding["reasons"]}


# ------------------------------------------------------------------------------- canonical form


@pytest.mark.parametrize(
    ("written", "runs"),
    [
        ("cmd /c w^h^o^a^mi", "cmd /c whoami"),
        ('po"wer"shell -c "net us"er', "powershell -c net user"),
        ('cmd /c who""ami', "cmd /c whoami"),
        ("%COMSPEC:~-16,1%%COMSPEC:~-1%%COMSPEC:~-13,1%", "set"),
        ("%ProgramData:~0,3%x.exe", r"C:\x.exe"),
        ('cmd /c "set a=who&&set b=ami&&call %a%%b%"', 'cmd /c "set a=who&&set b=ami&&whoami"'),
        ('cmd /v /c "set x=net user&&!x!"', 'cmd /v /c "set x=net user&&net user"'),
        ('cmd /c "set x=whZoZami&&call %x:Z=%"', 'cmd /c "set x=whZoZami&&whoami"'),
        ("cmd /c for %a in (who) do %aami", "cmd /c whoami"),
        ("powershell I`E`X (N`ew-Object x)", "powershell IEX (New-Object x)"),
        ("powershell 'Down'+'load'+\"String\"", "powershell 'DownloadString\""),
        ("powershell &('{1}{0}' -f 'ex','i') 1", "powershell iex 1"),
        ("powershell -c ([char]105+[char]101+[char]120)", "powershell -c 'iex'"),
        ("powershell -join([char[]](105,101,120))", "powershell 'iex'"),
        ("powershell ('hxllo' -replace 'x','e')", "powershell 'hello'"),
        ("powershell ('olleh'[-1..-5] -join '')", "powershell 'hello'"),
        ("powershell -e dwBoAG8AYQBtAGkA", "powershell -EncodedCommand whoami"),
        ("mshta javascript:x(String.fromCharCode(97,98,99,100))", "mshta javascript:x'abcd'"),
        ("C:/Windows/./System32/../System32/cmd.exe /c x", r"C:\Windows\System32\cmd.exe /c x"),
        (r"C:\\Windows\\System32\\cmd.exe", r"C:\Windows\System32\cmd.exe"),
        (r"C:\PROGRA~1\x\y.exe", r"C:\Program Files\x\y.exe"),
        ("cmd,/c,whoami", "cmd /c,whoami"),
        ("vssadmin  delete\tshadows ", "vssadmin delete shadows"),
        ("net\u200b us\u00ader", "net user"),
        ("powershell \u2013nop \u2015enc x", "powershell -nop -enc x"),
        ("\uff56ssadmin \U0001d41d\U0001d41elete", "vssadmin delete"),
        ("v\u0455\u0455\u0430dm\u0456n", "vssadmin"),
    ],
)
def test_disguises_of_windows_are_undone(written: str, runs: str) -> None:
    assert canonical(written, "windows").text == runs
    assert suspicious(pa.array([written]), "windows").to_pylist() == [True]


@pytest.mark.parametrize(
    ("written", "runs"),
    [
        ("cat${IFS}/etc/passwd", "cat /etc/passwd"),
        ("cat$IFS$9/etc/passwd", "cat /etc/passwd"),
        ("c''at /e\"t\"c/passwd", "cat /etc/passwd"),
        (r"c\at /etc/pas\swd", "cat /etc/passwd"),
        ("/b?n/c?t /etc/p?sswd", "/bin/cat /etc/passwd"),
        (r"$'\x63\x61t' /etc/shadow", "cat /etc/shadow"),
        (r"$(printf '\143\141\164') x", "cat x"),
        ("a=c;b=at;$a${b} /etc/passwd", "a=c;b=at;cat /etc/passwd"),
        ("{cat,/etc/passwd}", "cat /etc/passwd"),
        ("c$@at x", "cat x"),
        ("echo d2hvYW1pIC1h | base64 -d | sh", "whoami -a | sh"),
        ("echo 77686f616d69|xxd -r -p|sh", "whoami|sh"),
        ("rev<<<'imaohw'|sh", "whoami|sh"),
        ("/usr/bin/../bin//cat /etc/./passwd", "/usr/bin/cat /etc/passwd"),
    ],
)
def test_disguises_of_posix_shells_are_undone(written: str, runs: str) -> None:
    assert canonical(written, "posix").text == runs
    assert suspicious(pa.array([written]), "posix").to_pylist() == [True]


@pytest.mark.parametrize(
    "line",
    [
        r'"C:\Program Files\Contoso\agent.exe" --config="C:\ProgramData\a b\c.yml" -o"C:\out"'[:61],
        r"C:\Windows\system32\svchost.exe -k netsvcs -p -s Schedule",
        r"robocopy C:\data \\server\share /MIR",
        "ping 10.0.0.1",
        r"reg query HKLM\SOFTWARE\Contoso /v Version",
    ],
)
def test_ordinary_lines_stay_as_they_are(line: str) -> None:
    assert canonical(line, "windows") == Canon(line)


def test_a_compressed_script_is_unpacked_within_bounds() -> None:
    import base64
    import gzip

    bomb = base64.b64encode(gzip.compress(b"whoami " * 1_000_000, mtime=0)).decode()
    begun = time.process_time()
    made = canonical(f"powershell iex([Convert]::FromBase64String('{bomb}'))"[:LONGEST], "windows")
    assert "whoami whoami" in made.text
    assert len(made.text) <= LONGEST
    assert time.process_time() - begun < 5


ALPHABET = st.sampled_from(
    [
        *"^\"'`%!$\\/-+,;=()[]{}|&<>~:?*. \t\r\n0123456789abceIiFSxXdD",
        *(
            "set a=",
            "%a%",
            "!a!",
            "%comspec:~0,1%",
            "call ",
            "-e ",
            "-enc ",
            "dwBoAG8A",
            "[char]65",
        ),
        *(
            "-f'a','b'",
            "'{1}{0}'",
            "-join",
            "-replace'a','b'",
            "'ab'[-1..-2]",
            "${IFS}",
            "$'\\x41'",
        ),
        *("echo YWJjZGVm|base64 -d", "for %a in (b) do ", "\u200b", "\u2013", "\uff21", "\u0430"),
        *(
            "\ufdfa",
            "\U0001d41a",
            "\x00",
            "\x1e",
            "..\\",
            "./",
            "//",
            "PROGRA~1",
            "{a,b}",
            "/b?n/s?",
        ),
    ]
)
LINES = st.lists(ALPHABET | st.text(max_size=6), max_size=60).map("".join)


@settings(max_examples=300, deadline=None)
@given(LINES)
@example("0\\.")
def test_a_canonical_form_is_its_own_and_bounded(line: str) -> None:
    for shell in ("windows", "posix"):
        made = canonical(line, shell)
        assert len(made.text) <= LONGEST
        assert made.strength >= 0
        if "disguises nested too deep to undo" not in made.steps:
            assert canonical(made.text, shell).text == made.text
        if made.text != line[:LONGEST]:
            assert suspicious(pa.array([line]), shell).to_pylist() == [True]


@pytest.mark.parametrize(
    "part",
    [
        "^",
        '"',
        "'",
        "`",
        "%a%",
        "set a=%a%b&",
        "'+'",
        "\\..",
        "$a",
        "((",
        "{a,",
        "[char]6,",
        "\u200b",
        "-e AAAA",
    ],
)
@pytest.mark.parametrize("shell", ["windows", "posix"])
def test_a_line_of_megabytes_costs_no_more_than_a_long_one(part: str, shell: Any) -> None:
    line = part * (2_000_000 // len(part))
    begun = time.process_time()
    made = canonical(line, shell)
    loosened(line)
    readings(line, shell)
    scores(pa.array([line]), model().weights)
    assert time.process_time() - begun < 10
    assert len(made.text) <= LONGEST


# ------------------------------------------------------------------------------------ the detector


def test_an_escaped_rule_is_named(armed: RowDetector) -> None:
    [one] = found(armed, "vssadmin d^e^l^ete sha^d^ows /all")
    assert one["rule_uid"] == "6d1e0f6e-0001-4c3c-9f6f-000000000001"
    assert one["uid"] == f"evasion:{one['rule_uid']}:r0"
    assert one["title"] == "Shadow copies deleted (disguised: carets inside words)"
    assert (one["author"], one["severity_id"]) == ("a tester", Severity.HIGH)
    assert one["techniques"] == ["T1490", "T1027.010"]
    assert reasons(one)["as it runs"] == "vssadmin delete shadows /all"
    assert reasons(one)["as written"] == "vssadmin d^e^l^ete sha^d^ows /all"
    assert {"type": "host", "value": "pc1", "role": "device"} in one["entities"]
    assert (one["evidence"][0]["_id"], one["time_start"]) == ("r0", 1000)


def test_what_a_rule_finds_already_is_not_said_again(armed: RowDetector) -> None:
    assert found(armed, "vssadmin delete shadows /a^l^l") == []


@pytest.mark.parametrize("family", sorted(set(WINDOWS) - {"renamed", "separators"}))
def test_every_family_on_windows(armed: RowDetector, family: str) -> None:
    line = r"reg add HKCU\Software\Microsoft\Windows\CurrentVersion\Run /v upd /d C:\Users\Public\a.exe /f"
    written = disguised(line, family, np.random.default_rng(5))
    if written == line:
        return
    raw = armed._sigma.detect(SYSMON, events(written, Image="x"))  # type: ignore[attr-defined]
    assert raw.num_rows or "6d1e0f6e-0002-4c3c-9f6f-000000000002" in {
        one["rule_uid"] for one in found(armed, written, Image="x")
    }, written


@pytest.mark.parametrize("family", sorted(POSIX))
def test_every_family_on_linux(armed: RowDetector, family: str) -> None:
    written = disguised("cat /etc/shadow", family, np.random.default_rng(5))
    if written == "cat /etc/shadow":
        return
    for shape, more in (("linux.sysmon.1", {}), ("linux.auditd", {"type": "SYSCALL\x1eEXECVE"})):
        table = events(written, Image="/bin/sh", exe="/bin/sh", **more)
        assert {one["rule_uid"] for one in armed.detect(shape, table).to_pylist()} == {
            "6d1e0f6e-0003-4c3c-9f6f-000000000003"
        }, written


def test_a_renamed_program_is_seen_by_its_own_name(armed: RowDetector) -> None:
    more = {"Image": r"C:\Tools\v.exe", "OriginalFileName": "VSSADMIN.EXE"}
    [one] = found(armed, "v.exe delete shadows", **more)
    assert "T1036.003" in one["techniques"]
    assert reasons(one)["program"] == "vssadmin.exe"


@pytest.mark.parametrize("shape", [SYSMON, "windows.security.4688"])
def test_a_copy_without_version_data_is_known_by_its_arguments(
    armed: RowDetector, shape: str
) -> None:
    path = "NewProcessName" if shape != SYSMON else "Image"
    line = r"C:\Users\bob\q7.exe delete shadows /all /quiet"
    [one] = armed.detect(shape, events(line, **{path: r"C:\Users\bob\q7.exe"})).to_pylist()
    assert reasons(one)["program"] == "vssadmin.exe"
    assert one["severity_id"] >= Severity.MEDIUM


@pytest.mark.parametrize(
    ("path", "line", "original"),
    [
        (r"C:\Program Files\Copies\q7.exe", "q7.exe delete shadows /all /quiet", "-"),
        (r"C:\Users\bob\q7.exe", "q7.exe delete shadows /all /quiet", "Q7.EXE"),
        (r"C:\Users\bob\setup.exe", "setup.exe /S /quiet", "-"),
        (r"C:\Users\bob\host.exe", r"host.exe C:\Users\bob\plugin.dll start", "-"),
        (r"C:\Users\bob\app.exe", "app.exe https://intranet.example/start", "-"),
    ],
)
def test_arguments_that_others_have_too_name_no_program(
    armed: RowDetector, path: str, line: str, original: str
) -> None:
    assert found(armed, line, Image=path, OriginalFileName=original) == []


def test_a_weak_disguise_does_not_make_a_low_rule_worth_telling(armed: RowDetector) -> None:
    assert found(armed, "powershell -e dwBoAG8AYQBtAGkA", Image="x") == []
    [one] = found(armed, "cmd /c w^h^o^a^mi /u^s^er", Image="x")
    assert one["severity_id"] == Severity.MEDIUM


def test_a_disguise_beyond_doubt_needs_no_rule(armed: RowDetector) -> None:
    [one] = found(armed, "cmd /c p^i^n^g l^o^c^a^l h^o^s^t", Image="x")
    assert (one["rule_uid"], one["severity_id"]) == (OBFUSCATED, Severity.MEDIUM)
    assert detect(SYSMON, events("cmd /c p^i^n^g l^o^c^a^l h^o^s^t")).num_rows == 1


def test_other_order_and_signs_are_a_variant(armed: RowDetector) -> None:
    line = r"reg add -v upd -d C:\Users\Public\a.exe -t REG_SZ -f HKCU\Software\Microsoft\Windows\CurrentVersion\Run"
    [one] = found(armed, line, Image=r"C:\Windows\System32\reg.exe")
    assert one["rule_uid"] == "6d1e0f6e-0002-4c3c-9f6f-000000000002"
    assert one["title"].endswith("(a variant that the rule misses)")
    assert reasons(one)["rule all but matched"] == "Program started at logon"


def test_nothing_is_found_on_ordinary_lines(armed: RowDetector) -> None:
    table = ordinary_table().drop_columns(["_loose"])
    for shape in (SYSMON, "linux.sysmon.1", "windows.security.4688"):
        assert armed.detect(shape, table).num_rows == 0


def test_other_shapes_and_missing_columns_are_passed_over(armed: RowDetector) -> None:
    table = events("vssadmin d^el^ete sh^ad^ows")
    assert armed.detect("windows.system.7045", table).num_rows == 0
    assert armed.detect(SYSMON, table.drop_columns(["CommandLine"])).num_rows == 0
    assert armed.detect(SYSMON, table.slice(0, 0)).num_rows == 0
    assert found(armed, *[None, ""]) == []  # type: ignore[list-item]


def test_an_audit_record_that_starts_nothing_is_passed_over(armed: RowDetector) -> None:
    table = events("cat${IFS}/etc/shadow", type="USER_CMD")
    assert armed.detect("linux.auditd", table).num_rows == 0


def test_records_that_say_the_same_are_all_found(armed: RowDetector) -> None:
    rows = found(armed, *["vssadmin d^e^l^ete sha^d^ows"] * 3)
    assert [row["evidence"][0]["_id"] for row in rows] == ["r0", "r1", "r2"]
    assert len({row["uid"] for row in rows}) == 3


@settings(max_examples=40, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=8))
def test_any_text_is_judged_without_failing(lines: list[str]) -> None:
    kept = [line.encode("utf-8", "replace").decode() for line in lines]
    detector = _plain()
    for shape in (SYSMON, "linux.sysmon.1"):
        once = detector.detect(shape, events(*kept))
        assert once.equals(detector.detect(shape, events(*kept)))


@cache
def _plain() -> RowDetector:
    made = next(one for one in detectors() if one.id == "evasion")
    assert made.kind == "row"
    return made


# -------------------------------------------------------------------------------------- the model


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_more_words_never_make_a_line_look_better(line: str, more: str) -> None:
    kept = [text.encode("utf-8", "replace").decode() for text in (line, f"{line} {more}")]
    before, after = scores(pa.array(kept), model().weights).tolist()
    # Options are told by what stands before them, words by their neighbours: only beyond these.
    assert after >= before - 1e-6


def test_lines_are_scored_each_alone() -> None:
    lines = ["vssadmin delete shadows /all", "", "ping x", "mimikatz sekurlsa::logonpasswords"]
    together = scores(pa.array(lines), model().weights)
    alone = [scores(pa.array([line]), model().weights)[0] for line in lines]
    assert together.tolist() == pytest.approx(alone)
    assert together[3] > model().unlike > together[2] == together[1] == 0


def test_training_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    train.main(tmp_path)
    for name in ("weights.npz", "card.json", "ordinary.txt"):
        assert (tmp_path / name).read_bytes() == (folder() / name).read_bytes(), (
            "run `python -m labrys.detect.evasion.train` and commit the model"
        )


def test_a_model_that_is_missing_or_changed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read(tmp_path)
    shutil.copytree(Path(str(folder())), tmp_path, dirs_exist_ok=True)
    assert read(tmp_path).version == model().version
    (tmp_path / "weights.npz").write_bytes(b"x" + (tmp_path / "weights.npz").read_bytes())
    with pytest.raises(ModelError, match="not the file"):
        read(tmp_path)
    (tmp_path / "card.json").write_text(json.dumps({"version": "1"}))
    with pytest.raises(ModelError, match="cannot be read"):
        read(tmp_path)


def test_every_family_has_a_cost() -> None:
    assert set(COST) == {*WINDOWS, *POSIX}
