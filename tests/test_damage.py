"""A disk that fills up, a case that is damaged: what is said, and what is kept."""

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from command import COMMAND, Ran, environment, here, labrys, rows, sources
from hostile_evidence import auth


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """Evidence of about a megabyte that does not compress well, and its undisturbed scan."""
    folder = tmp_path_factory.mktemp("roomy")
    path = folder / "evidence"
    path.mkdir()
    for number in range(20):
        lines = b"".join(
            b"Nov 17 10:00:%02d web app[%d]: %s\n" % (n % 60, n, os.urandom(60).hex().encode())
            for n in range(400)
        )
        (path / f"{number:02d}.log").write_bytes(auth(f"user{number}") + lines)
    ran = labrys("scan", "evidence", "-q", "-f", "ndjson", "--lake", "fresh", cwd=folder)
    assert ran.code == 0
    return folder, ran


@pytest.mark.parametrize("room", [8 << 10, 200 << 10])
def test_a_file_that_may_not_grow_is_said(
    room: int, roomy: tuple[Path, Ran], tmp_path: Path
) -> None:

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    done = subprocess.run(
        [*COMMAND, "scan", "evidence", "-q", "--lake", str(tmp_path / "case")],
        cwd=roomy[0],
        env=environment(),
        preexec_fn=small,
        capture_output=True,
        text=True,
        check=False,
    )
    check_full(Ran(done.returncode, done.stdout.encode(), done.stderr))
    goes_on(roomy, tmp_path / "case")


MOUNT = """
cd=$1; mount -t tmpfs -o size=$2 none "$cd/full"; shift 2
"$@"; code=$?
mount -o remount,size=200m "$cd/full"; cp -r "$cd/full/case" "$cd/kept"
exit $code
"""


@pytest.mark.parametrize("room", ["60k", "200k", "400k"])
def test_a_full_disk_is_said_and_what_was_kept_goes_on(
    room: str, roomy: tuple[Path, Ran], tmp_path: Path
) -> None:
    if subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(tmp_path)],
        capture_output=True,
        check=False,
    ).returncode:
        pytest.skip("no user namespace with a disk of its own may be made here")
    (tmp_path / "full").mkdir()
    ran = labrys(
        *(tmp_path, room, *COMMAND, "scan", "evidence", "-q", "--lake", tmp_path / "full" / "case"),
        cwd=roomy[0],
        command=["unshare", "-rm", "sh", "-c", MOUNT, "sh"],
    )
    check_full(ran)
    goes_on(roomy, tmp_path / "kept")


def check_full(ran: Ran) -> None:
    """Nothing worse than a refusal, or an inconclusive result that says what is the matter."""
    assert "Traceback" not in ran.err
    assert ran.code in (1, 2), (ran.code, ran.err, ran.text[-500:])
    said = ran.text if ran.code == 1 else ran.err
    assert re.search(
        "no space left|file too large|disk is full|nearly full|disk i/o", said.lower()
    ), said
    if ran.code == 1:
        assert "inconclusive" in ran.text
        assert "free some space and scan again" in ran.text


def goes_on(roomy: tuple[Path, Ran], case: Path) -> None:
    """With room again, the same case comes to what an undisturbed one holds."""
    folder, fresh = roomy
    ran = labrys("scan", "evidence", "-q", "-f", "ndjson", "--lake", case, cwd=folder)
    assert ran.code == 0, ran.err
    assert rows(case) == rows(folder / "fresh")
    assert sorted(ran.out.splitlines()) == sorted(fresh.out.splitlines())


# A case that is damaged


def damage(case: Path, folder: str, keep: int) -> Path:
    file = max((case / folder).iterdir(), key=lambda path: path.stat().st_size)
    file.write_bytes(file.read_bytes()[:keep])
    return file


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("lake", ("scan", ".", "-r", "{rules}", "--no-own-rules")),
        ("lake", ("hunt", "SELECT count(message) FROM linux_sshd")),
        ("findings", ("incidents",)),
    ],
)
@pytest.mark.parametrize("keep", [0, 100])
def test_a_damaged_file_of_a_case_is_named(
    folder: str, command: Sequence[str], keep: int, scanned_once: Path, tmp_path: Path
) -> None:
    case = tmp_path / "case"
    shutil.copytree(scanned_once, case)
    file = damage(case, folder, keep)
    rules = Path(__file__).parents[1] / "rules" / "linux" / "download_and_run.yml"
    words = [word.replace("{rules}", str(rules)) for word in command]
    ran = here(*words, "--lake", case, cwd=scanned_once.parent)
    assert ran.code == 2
    assert file.name in ran.err
    assert "bug" not in ran.err


@pytest.fixture(scope="module")
def scanned_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once")
    (folder / "a.log").write_bytes(auth("a"))
    assert labrys("scan", ".", "-q", "--lake", "case", cwd=folder).code == 0
    return folder / "case"


def test_a_case_among_its_own_evidence_is_not_evidence(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(auth("a"))
    for _ in range(2):
        ran = labrys("scan", ".", "-q", cwd=tmp_path)
        assert ran.code == 0, ran.text
    cases = list(tmp_path.glob("*.labrys"))
    assert len(cases) == 1
    assert set(sources(cases[0])) == {"a.log"}
