"""What is attached to mail is read by its own reader, once, however the scan ends."""

import base64
import gzip
import io
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from labrys.evidence.unpack.limits import Limits
from labrys.lake.case import Case
from labrys.scan import worker
from labrys.scan.ingest import Reading, ingest
from labrys.scan.wire import decode

LOG = b"".join(
    b"Nov 17 10:00:%02d web sshd[1]: Accepted password for ann from 192.0.2.1\n" % n
    for n in range(9)
)
TABLE = b"user,address,when\nann,192.0.2.1,2026-11-17\nbob,192.0.2.2,2026-11-17\n" * 5


class Nobody:
    def __getattr__(self, _):
        return lambda *_: None


def mail(*files: tuple[str, bytes]) -> bytes:
    parts = "".join(
        f'--b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n'
        f'Content-Disposition: attachment; filename="{name}"\n\n{base64.encodebytes(data).decode()}\n'
        for name, data in files
    )  # fmt: skip
    return (
        "From: ann@firm.example\nTo: bob@other.example\nSubject: files\nMIME-Version: 1.0\n"
        f"Content-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n"
    ).encode()


def zipped(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return made.getvalue()


def read(folder: Path, **files: bytes) -> dict[str, tuple[str, str, int]]:
    """Format, state and records of each source, by its name within the folder of evidence."""
    evidence = folder / "evidence"
    evidence.mkdir(exist_ok=True)
    for name, data in files.items():
        (evidence / name.replace("_", ".")).write_bytes(data)
    with Case.open(folder / "case.labrys") as case:
        ingest(case, [evidence], Reading(jobs=1, limits=Limits(max_depth=4)), (), Nobody())
        left = list(case.spool.iterdir())
        assert not left
        return {
            row.name.removeprefix(f"{evidence}/"): (row.format, row.state, row.rows)
            for row in case.sources()
        }


def test_attachments_are_read_by_their_own_readers(tmp_path):
    inner = mail(("log.gz", gzip.compress(LOG)))
    found = read(
        tmp_path,
        a_eml=mail(
            ("m.pkl", pickle.dumps({"a": [1, 2]})),
            ("table.csv", TABLE),
            ("in.zip", zipped(a_exe=b"MZ\x90\0" * 9, b_eml=inner, c_csv=TABLE + b"x,y,z\n")),
            ("note.txt", b"only a note\n"),
            ("p.png", b"\x89PNG\r\n\x1a\n" + bytes(99)),
        ),
    )
    assert {name: format for name, (format, _, _) in found.items()} == {
        "a.eml": "mail",
        "a.eml!/m.pkl": "pickle",
        "a.eml!/table.csv": "csv_table",
        "a.eml!/in.zip!/a.exe": "enclosed_file",
        "a.eml!/in.zip!/b.eml": "mail",
        "a.eml!/in.zip!/b.eml!/log.gz!/log": "syslog",
        "a.eml!/in.zip!/c.csv": "csv_table",
    }
    assert {state for _, state, _ in found.values()} == {"done"}
    assert read(tmp_path) == found


def test_names_are_only_names_and_those_in_a_mailbox_have_the_number_of_their_message(tmp_path):
    one = mail(("../../etc/t.csv", TABLE), ("../../etc/t.csv", TABLE + b"a,b,c\n"))
    box = b"".join(b"From a@b.example Tue Nov 17 10:00:00 2026\n" + one + b"\n" for _ in range(2))
    found = read(tmp_path, box=box)
    assert [name for name in found if name != "box"] == [
        "box!/../../etc/t.csv", "box!/../../etc/t.csv#2",
        "box!/1/../../etc/t.csv", "box!/1/../../etc/t.csv#2",
    ]  # fmt: skip
    assert [state for _, state, _ in found.values()].count("duplicate") == 2


def test_what_is_packed_too_deep_or_too_dense_is_said(tmp_path):
    deep = TABLE
    for _ in range(6):
        deep = mail(("next.zip", zipped(n_eml=deep)))
    found = read(tmp_path, a_eml=deep, b_eml=mail(("bomb.gz", gzip.compress(bytes(130 << 20)))))
    with Case.open(tmp_path / "case.labrys") as case:
        said = [each for row in case.sources() for each in row.problems]
    assert any("packed more than 4 times over" in each for each in said)
    assert any("a bomb" in each for each in said)
    assert found["a.eml"][1] == "done"


class Ends(Exception):
    """What a power cut is to the reading process here."""


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_mail_does_not_count_as_read_before_what_is_attached_does(tmp_path, at):
    raw = mail(("a.csv", TABLE), ("b.csv", TABLE + b"x,y,z\n"), ("c.csv", TABLE + b"p,q,r\n"))
    file = tmp_path / "m.eml"
    file.write_bytes(raw)
    told: list[worker.Message] = []

    def recv() -> int:
        if sum(isinstance(one, worker.Offer) for one in told) > at:
            raise Ends
        return 0

    pipe = SimpleNamespace(send_bytes=lambda data: told.append(decode(data)), recv=recv)
    state = worker._State(pipe, worker.Bounds(tmp_path, Limits(), 1 << 30))
    with suppress(Ends):
        worker._read_file(state, file, "m.eml", worker.Task(()))
    assert not state.progress["m.eml"].done
    assert sum(one.done for one in state.progress.values()) == at - 1
    assert not list(tmp_path.glob("unpacked-*"))


@pytest.mark.parametrize("name", ["", "x" * 5000, "a\udcffb", "é.csv", "a!/b.csv"])
def test_any_name_will_do(tmp_path, name):
    raw = mail(("NAME", TABLE)).replace(b"NAME", name.encode("utf-8", "surrogateescape"))
    raw = raw.replace(b"application/octet-stream", b"text/csv")
    found = read(tmp_path, m_eml=raw)
    assert sorted(format for format, _, _ in found.values()) == ["csv_table", "mail"]
