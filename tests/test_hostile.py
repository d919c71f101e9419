"""What bad evidence gets: a clear line, exit code 1, and everything else read as if it were not."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from command import COMMAND, CONTROL, Ran, count, environment, labrys, rows, shapes, sources
from hostile_evidence import LONG, NEW_KEYS, SLIPPING, auth, files, write, zipped
from labrys.evidence.values import MULTI

PLUGIN = {"PYTHONPATH": str(Path(__file__).parent / "plugin")}
UNPRIVILEGED = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
)
"""Root reads whatever it likes, unless it gives up the right to."""


def can_be_unprivileged() -> bool:
    if os.geteuid() != 0:
        return True
    asked = [*UNPRIVILEGED, "true"]
    return (
        shutil.which("setpriv") is not None and subprocess.run(asked, check=False).returncode == 0
    )


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    """All the hostile evidence in one scan, as someone who may not read everything."""
    folder = tmp_path_factory.mktemp("hostile")
    write(folder / "evidence")
    prefix = UNPRIVILEGED if can_be_unprivileged() else []
    ran = labrys(
        *("scan", "evidence", "-f", "html", "-o", "page.html"),
        cwd=folder,
        command=[*prefix, *COMMAND],
        env={"LABRYS_JOBS": "2"},
    )
    return ran, folder


@pytest.fixture(scope="module")
def known(scanned: tuple[Ran, Path]) -> dict[str, dict[str, Any]]:
    return sources(scanned[1] / "evidence.labrys")


@pytest.fixture(scope="module")
def records(scanned: tuple[Ran, Path]) -> dict[str, list[dict[str, Any]]]:
    """Every record by the source it is from."""
    by_source: dict[str, list[dict[str, Any]]] = {}
    for shape, found in rows(scanned[1] / "evidence.labrys").items():
        for row in found:
            by_source.setdefault(row["_source"], []).append({"_shape": shape, **row})
    return by_source


@pytest.fixture(scope="module")
def problems(scanned: tuple[Ran, Path]) -> dict[str, str]:
    """What the report says of each source that was not read, or not all of it."""
    page = (scanned[1] / "page.html").read_text("utf-8")
    data = json.loads(
        re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S)[0]
    )
    assert data["inconclusive"] is True
    said: dict[str, list[str]] = {}
    for name, _, reason, _ in data["scan"]["problems"]:
        said.setdefault(name, []).append(reason)
    return {name: "; ".join(reasons) for name, reasons in said.items()}


def test_the_scan_ends_well_and_says_that_it_is_inconclusive(scanned: tuple[Ran, Path]) -> None:
    ran, folder = scanned
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert not CONTROL.search(ran.err)
    table = labrys("incidents", cwd=folder)
    assert "the result is inconclusive" in table.text
    assert not CONTROL.search(table.text)
    assert "labrys: all is well" not in [line.strip() for line in table.text.splitlines()]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("empty.log", "empty file"),
        ("cut.evtx", r"first at offset \d+"),
        ("cut.log.gz!/cut.log", r"ends early: the file is cut off at offset \d+"),
        ("cut.zip", "not a readable ZIP archive"),
        ("cut.json", "ends inside a record"),
        ("nested.zip" + 4 * "!/nested.zip", "packed more than 4 times over: not opened"),
        ("locked.zip!/locked.log", "encrypted: unpack it with its password"),
        ("sealed.7z", "encrypted|password"),
        ("bomb.log.gz!/bomb.log", r"more than 1000 times its size: a bomb at offset \d+"),
        ("old.rar", "is a RAR archive: unpack it"),
        ("system.log", "no reader knows this format"),
        ("noise.evtx", "no reader knows this format"),
        ("long.log", r"(no syslog head|too long).* \(first at offset \d+\)"),
        ("long.ndjson", r"longer than \d+ bytes \(first at offset 9\)"),
        ("endless.log", "a line too long"),
        ("deep.json", r"first at offset \d+"),
        ("deep.ndjson", r"nested more than \d+ deep \(first at offset 9\)"),
        ("entity.xml", "document type or entity declaration is not accepted"),
        ("laughs.xml", "document type or entity declaration is not accepted"),
        ("pipe", "a named pipe"),
        ("links/gone", "a symbolic link to nothing"),
        ("links/one", "a symbolic link to nothing"),
        ("links/passwd", "a symbolic link out of the given paths"),
        ("links/zero", "a symbolic link out of the given paths"),
    ],
)
def test_what_cannot_be_read_has_a_clear_line(
    name: str, said: str, problems: dict[str, str]
) -> None:
    assert re.search(said, problems[f"evidence/{name}"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("forbidden", "cannot be opened: Permission denied"),
        ("secret.log", "cannot be read: Permission denied"),
    ],
)
def test_what_may_not_be_read_has_a_clear_line(
    name: str, said: str, problems: dict[str, str]
) -> None:
    if not can_be_unprivileged():
        pytest.skip("root, and setpriv cannot take its right to read everything away")
    assert said in problems[f"evidence/{name}"]


def test_nothing_else_is_said_to_be_unreadable(problems: dict[str, str]) -> None:
    fine = {
        f"evidence/{name}" for name in files() if name.startswith(("a_", "z_", "good", "clock"))
    }
    fine |= {f"evidence/{name}" for name in ("copy.log", "picture.png", "notes.txt", "latin.log")}
    fine |= {f"evidence/{name}" for name in ("utf16.log", "nul.log", "keys.ndjson", "links/up")}
    assert not fine & set(problems)


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("a_good.log", "first"),
        ("z_good.log", "last"),
        ("good.zip!/in/good.log", "zipped"),
        ("cut.zip!/one.log", "cut one"),
        ("picture.png", "misnamed"),
        ("security.evtx", "no evtx"),
        ("utf16.log", "sixteen"),
    ],
)
def test_everything_else_is_read(
    name: str, who: str, records: dict[str, list[dict[str, Any]]]
) -> None:
    found = records[f"evidence/{name}"]
    assert [row["_shape"] for row in found] == ["linux.sshd"] * 6
    assert [row["message"].split(" for ")[1].split(" from ")[0] for row in found] == [who] * 6
    assert all(row["_time"] is not None for row in found)


def test_an_evtx_file_called_a_text_is_read(records: dict[str, list[dict[str, Any]]]) -> None:
    assert {row["_shape"].split(".")[0] for row in records["evidence/notes.txt"]} == {"windows"}


@pytest.mark.parametrize("name", ["cut.evtx", "cut.log.gz!/cut.log", "cut.json"])
def test_what_comes_before_the_damage_is_kept(
    name: str, records: dict[str, list[dict[str, Any]]]
) -> None:
    good = [row for row in records[f"evidence/{name}"] if row["_shape"] != "unparsed"]
    assert len(good) >= 2


def test_a_long_line_takes_only_itself_down(records: dict[str, list[dict[str, Any]]]) -> None:
    read = [row for row in records["evidence/long.log"] if row["_shape"] == "linux.sshd"]
    assert {row["message"].split(" for ")[1].split(" from ")[0] for row in read} == {
        "before",
        "after",
    }
    assert len(read) == 12
    values = [row.get("a") for row in records["evidence/long.ndjson"]]
    assert values.count("1") == values.count("3") == 1
    for name in ("long.log", "long.ndjson", "endless.log"):
        longest = max(len(str(v)) for row in records[f"evidence/{name}"] for v in row.values())
        assert longest < LONG


def test_deep_nesting_takes_only_itself_down(records: dict[str, list[dict[str, Any]]]) -> None:
    values = [row.get("a") for row in records["evidence/deep.ndjson"]]
    assert values.count("1") == values.count("3") == 1


@pytest.mark.parametrize(
    ("name", "records_in_it"), [("keys.ndjson", 3), ("new_keys.ndjson", NEW_KEYS)]
)
def test_many_field_names_make_few_columns(
    name: str, records_in_it: int, records: dict[str, list[dict[str, Any]]]
) -> None:
    found = records[f"evidence/{name}"]
    assert len(found) == records_in_it
    assert max(len(row) for row in found) <= 1100
    kept = "".join(str(sorted(row.items())) for row in found)
    wanted = "key99999" if name == "keys.ndjson" else f"own{NEW_KEYS - 1}"
    assert wanted in kept, "what has no column of its own is still there to be found"


def test_clocks_from_1601_to_9999_are_read(records: dict[str, list[dict[str, Any]]]) -> None:
    found = {row["Computer"]: row.get("_time") for row in records["evidence/clocks.ndjson"]}
    assert len(found) == 7
    assert found["clock0"] in (None, -11_644_473_600_000)
    assert found["clock1"] == 4_107_542_399_999
    assert all(found[f"clock{number}"] is None for number in (4, 5, 6))


def test_a_wrong_encoding_loses_nothing(records: dict[str, list[dict[str, Any]]]) -> None:
    found = sorted(records["evidence/invalid.ndjson"], key=lambda row: row["_offset"])
    values = [row.get("a") for row in found]
    assert values[0] == "1"
    assert values[2] == "3"
    assert values[1] in ("\\xff\\xfe", "ÿþ", "\ufffd\ufffd")
    names = {
        row["message"].split(" for ")[1].split(" from ")[0] for row in records["evidence/latin.log"]
    }
    assert names <= {"Jürgen", "J\\xfcrgen", "J\ufffdrgen"}
    assert len(records["evidence/nul.log"]) == 6


def test_the_separator_of_values_cannot_be_forged(records: dict[str, list[dict[str, Any]]]) -> None:
    for row in records["evidence/separator.ndjson"]:
        assert row["forged"] == "one\u241etwo"
        assert row["list"] == MULTI.join(("three", "fo\u241eur"))


def test_entities_are_neither_fetched_nor_multiplied(
    records: dict[str, list[dict[str, Any]]],
) -> None:
    for name in ("entity.xml", "laughs.xml"):
        text = "".join(
            str(value) for row in records.get(f"evidence/{name}", ()) for value in row.values()
        )
        assert "root:" not in text
        assert len(text) < 20_000


def test_names_in_archives_lead_nowhere(
    scanned: tuple[Ran, Path], known: dict[str, dict[str, Any]]
) -> None:
    folder = scanned[1]
    for name in SLIPPING:
        assert known[f"evidence/slip.zip!/{name}"]["rows"] == 6
    assert not list(folder.parent.rglob("*escaped.log"))
    assert not Path("/tmp/labrys-escaped.log").exists()
    assert not list((folder / "evidence.labrys" / "spool").iterdir())


def test_odd_file_names_are_read_and_shown_harmless(known: dict[str, dict[str, Any]]) -> None:
    for name in ("inval\\xff.log", "new\nline.log", "\x1b[31mred.log", "n" * 251 + ".log"):
        assert known[f"evidence/{name}"]["rows"] == 6


def test_the_same_content_is_read_once_and_that_is_said(
    known: dict[str, dict[str, Any]], scanned: tuple[Ran, Path]
) -> None:
    pair = [known["evidence/a_good.log"], known["evidence/copy.log"]]
    assert sorted(row["state"] for row in pair) == ["done", "duplicate"]
    page = (scanned[1] / "page.html").read_text("utf-8")
    assert re.search(r"evidence/\w+\.log has the content of evidence/\w+\.log", page)


def test_duplicates_alone_are_nothing_to_worry_about(tmp_path: Path) -> None:
    for name in ("one.log", "two.log", "three.log"):
        (tmp_path / name).write_bytes(auth("same"))
    ran = labrys("scan", ".", "-q", "--lake", "case", cwd=tmp_path)
    assert ran.code == 0
    assert ran.text.count("has the content of") == 2
    assert len(rows(tmp_path / "case")["linux.sshd"]) == 6


def test_scanning_hostile_evidence_again_says_the_same(scanned: tuple[Ran, Path]) -> None:
    _, folder = scanned
    case = folder / "evidence.labrys"
    before = (count(case, "segments"), shapes(case))
    prefix = UNPRIVILEGED if can_be_unprivileged() else []
    ran = labrys("scan", "evidence", "-q", cwd=folder, command=[*prefix, *COMMAND])
    assert ran.code == 1
    assert (count(case, "segments"), shapes(case)) == before
    assert not list((case / "spool").iterdir())


def test_thousands_of_tiny_files_are_gathered(tmp_path: Path) -> None:
    many = tmp_path / "many"
    for number in range(2_000):
        folder = many / f"{number % 50:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.log").write_bytes(auth(f"user{number}", 1))
    ran = labrys("scan", "many", "-q", "--only", "sigma", cwd=tmp_path, env={"LABRYS_JOBS": "2"})
    assert ran.code == 0, ran.text[-2000:]
    assert len(rows(tmp_path / "many.labrys")["linux.sshd"]) == 2_000
    assert count(tmp_path / "many.labrys", "segments") <= 4


# Readers that break


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that break a plugged-in reader among good ones, scanned by two processes."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "evidence").mkdir()
    for number in range(12):
        (folder / "evidence" / f"{number:02d}.log").write_bytes(auth(f"good{number}"))
    ways = ("exit", "crash", "raise", "hoard", "hang", "sniff", "exit", "exit", "exit", "fine")
    for number, how in enumerate(ways):
        (folder / "evidence" / f"{number:02d}_{how}.txt").write_text(f"BROKEN {how} {number}\n")
    members = {f"{n}.log": auth(f"member {n}") for n in range(3)}
    members["1_crash.txt"] = b"BROKEN crash in an archive"
    (folder / "evidence" / "05.zip").write_bytes(zipped(dict(sorted(members.items()))))
    hopeless = {f"{n}.txt": b"BROKEN exit %d" % n for n in range(100, 106)}
    (folder / "evidence" / "06.zip").write_bytes(zipped(hopeless))
    ran = labrys(
        *("scan", "evidence", "-q", "--lake", "case"),
        cwd=folder,
        env={
            **PLUGIN,
            "BROKEN_MARK": str(folder / "mark"),
            "LABRYS_WORKER_SECONDS": "12",
            "LABRYS_JOBS": "2",
        },
    )
    assert ran.code == 1, ran.err
    assert "Traceback" not in ran.err
    return folder


def test_a_plugged_in_format_is_read(broken: Path) -> None:
    row = sources(broken / "case")["evidence/09_fine.txt"]
    assert (row["format"], row["state"], row["rows"]) == ("broken", "done", 5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("00_exit.txt", r"reader ended unexpectedly \(exit code 3\)"),
        ("01_crash.txt", "reader was ended by SIGSEGV"),
        ("02_raise.txt", "reader broken failed: RuntimeError: the reader's bug"),
        ("03_hoard.txt", "needs more memory than a reader may use"),
        ("04_hang.txt", r"reader no progress in 12 s, given up"),
        ("05_sniff.txt", r"reader ended unexpectedly \(exit code 7\)"),
        ("06_exit.txt", r"reader ended unexpectedly \(exit code 3\)"),
        ("05.zip!/1_crash.txt", "reader was ended by SIGSEGV"),
        ("06.zip", r"failed \d times: the rest of it was not read"),
    ],
)
def test_the_source_that_broke_a_reader_is_blamed(name: str, said: str, broken: Path) -> None:
    row = sources(broken / "case")[f"evidence/{name}"]
    assert row["state"] == "failed"
    assert re.search(said, "; ".join(row["problems"]))


def test_nothing_beside_a_broken_reader_is_lost(broken: Path) -> None:
    known = sources(broken / "case")
    wanted = [f"evidence/{number:02d}.log" for number in range(12)]
    wanted += [f"evidence/05.zip!/{number}.log" for number in range(3)]
    for name in wanted:
        assert (known[name]["state"], known[name]["rows"], known[name]["problems"]) == (
            "done",
            6,
            (),
        ), name
    case = broken / "case"
    found = [row["_source"] for row in rows(case)["linux.sshd"]]
    assert sorted(found) == sorted(wanted * 6)
    ids = [row["_id"] for shape in rows(case).values() for row in shape]
    assert len(ids) == len(set(ids))


# Interrupts


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_an_interrupted_scan_goes_on_where_it_was(stop: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    for number in range(3):
        (tmp_path / "evidence" / f"{number}.log").write_bytes(auth(f"user{number}"))
    (tmp_path / "evidence" / "2_slow.txt").write_text("BROKEN hang\n")
    mark = tmp_path / "mark"
    with subprocess.Popen(
        [*COMMAND, "scan", "evidence", "--lake", "case", "--jobs", "1"],
        cwd=tmp_path,
        env=environment({**PLUGIN, "BROKEN_MARK": str(mark)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(mark)
        process.send_signal(stop)
        said = process.communicate(timeout=60)
    assert said[0] == ""
    assert "Traceback" not in said[1]
    if stop is signal.SIGINT:
        assert process.returncode == 130
        assert "interrupted; what was read is kept, run it again to go on" in said[1]
    else:
        assert process.returncode == -stop
    ran = labrys(
        *("scan", "evidence", "--lake", "case", "-q"),
        cwd=tmp_path,
        env={**PLUGIN, "BROKEN_FAST": "1"},
    )
    assert ran.code == 0, ran.text
    found = rows(tmp_path / "case")
    assert {shape: len(held) for shape, held in found.items()} == {
        "broken.record": 5,
        "linux.sshd": 18,
    }


def wait_for(mark: Path) -> None:
    for _ in range(1200):
        if mark.exists():
            return
        time.sleep(0.05)
    pytest.fail("the reader was never asked to read")


def test_two_scans_do_not_write_to_one_case(tmp_path: Path) -> None:
    (tmp_path / "slow.txt").write_text("BROKEN hang\n")
    (tmp_path / "a.log").write_bytes(auth("a"))
    mark = tmp_path / "mark"
    with subprocess.Popen(
        [*COMMAND, "scan", "slow.txt", "--lake", "case"],
        cwd=tmp_path,
        env=environment({**PLUGIN, "BROKEN_MARK": str(mark)}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_for(mark)
        ran = labrys("scan", "a.log", "--lake", "case", cwd=tmp_path)
        process.kill()
    assert (ran.code, "another labrys is writing to this case" in ran.err) == (2, True)
