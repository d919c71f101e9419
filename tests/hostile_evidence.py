"""Makes evidence as an attacker, a broken disk or a hurried collector would leave it."""

import base64
import gzip
import io
import json
import os
import random
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

import py7zr

EVTX: Final = (
    Path(__file__).parents[1] / "src/labrys/evidence/evtx/samples/made.evtx"
).read_bytes()
PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
LONG: Final = 24 << 20
NEW_KEYS: Final = 1_500
SLIPPING: Final = (
    "../../escaped.log",
    "/tmp/labrys-escaped.log",
    "C:\\escaped.log",
    "..\\..\\escaped.log",
    "a\nlabrys: all is well.log",
    "\x1b[31mred.log",
    "dir/../../../../escaped.log",
)


def auth(who: str, lines: int = 6) -> bytes:
    """Lines that only this file has."""
    return b"".join(
        b"Nov 17 10:%02d:%02d web sshd[%d]: Accepted password for %s from 203.0.113.9 port 22 ssh2\n"
        % (number // 60 % 60, number % 60, 1000 + number, who.encode())
        for number in range(lines)
    )


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


@cache
def files() -> dict[str, bytes]:
    """Files by name; those called good have nothing wrong with them."""
    return {
        "a_good.log": auth("first"),
        "z_good.log": auth("last"),
        "good.zip": zipped({"in/good.log": auth("zipped")}),
        **_cut_off(),
        **_packed(),
        **_misnamed(),
        **_oversized(),
        **_misencoded(),
        "clocks.ndjson": b"\n".join(json.dumps(each).encode() for each in _clocks()),
        "separator.ndjson": b'{"forged": "one\\u001etwo", "list": ["three", "fo\\u001eur"]}\n' * 2,
        "entity.xml": _events_xml('<!ENTITY x SYSTEM "file:///etc/passwd">', "&x;"),
        "laughs.xml": _events_xml(_LAUGHS, "&l9;"),
    }


def _cut_off() -> dict[str, bytes]:
    records = [{"eventTime": "2026-11-17T10:00:00Z", "eventName": "X", "eventSource": "s"}] * 3
    return {
        "empty.log": b"",
        "cut.evtx": EVTX[: len(EVTX) // 2 + 5000],
        "cut.log.gz": gzip.compress(auth("cut", 4000), mtime=0)[:-400],
        "cut.zip": zipped({"one.log": auth("cut one"), "two.log": auth("cut two", 500)})[:-120],
        "cut.json": json.dumps({"Records": records}).encode()[:-40],
    }


def _packed() -> dict[str, bytes]:
    nested = zipped({"deep.log": auth("deep")})
    for _ in range(8):
        nested = zipped({"nested.zip": nested})
    locked = bytearray(zipped({"locked.log": auth("locked")}))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    seven = io.BytesIO()
    with py7zr.SevenZipFile(seven, "w", password="infected", header_encryption=True) as archive:
        archive.writestr(auth("sealed"), "sealed.log")
    return {
        "nested.zip": nested,
        "locked.zip": bytes(locked),
        "sealed.7z": seven.getvalue(),
        "bomb.log.gz": gzip.compress(bytes(150 << 20), 9, mtime=0),
        "old.rar": b"Rar!\x1a\x07\x01\x00" + bytes(100),
        "slip.zip": zipped({name: auth(f"slip {n}") for n, name in enumerate(SLIPPING)}),
    }


def _misnamed() -> dict[str, bytes]:
    return {
        "picture.png": auth("misnamed"),
        "notes.txt": EVTX,
        "security.evtx": auth("no evtx"),
        "system.log": PNG,
        "noise.evtx": random.Random(1).randbytes(5000),
    }


def _oversized() -> dict[str, bytes]:
    keys = json.dumps({f"key{number}": number for number in range(100_000)})
    return {
        "long.log": auth("before") + b"A" * LONG + b"\n" + auth("after"),
        "long.ndjson": b'{"a": 1}\n{"a": "' + b"B" * LONG + b'"}\n{"a": 3}\n',
        "endless.log": b"C" * LONG,
        "keys.ndjson": b'{"a": 1}\n' + keys.encode() + b'\n{"a": 3}\n',
        "new_keys.ndjson": b"".join(b'{"own%d": 1}\n' % number for number in range(NEW_KEYS)),
        "deep.json": b"[" * 200_000,
        "deep.ndjson": b'{"a": 1}\n' + b'{"d":' * 50_000 + b"1" + b"}" * 50_000 + b'\n{"a": 3}\n',
        "wide.csv": b",".join(b"c%d" % n for n in range(20_000)) + b"\n" + b"1," * 19_999 + b"1\n",
    }


def _misencoded() -> dict[str, bytes]:
    return {
        "utf16.log": auth("sixteen").decode().encode("utf-16"),
        "latin.log": auth("before").replace(b"before", b"J\xfcrgen"),
        "invalid.ndjson": b'{"a": 1}\n{"a": "\xff\xfe"}\n{"a": 3}\n',
        "nul.log": auth("nul").replace(b"nul", b"n\x00l"),
    }


def _clocks() -> Iterable[dict[str, Any]]:
    for number, when in enumerate(
        (
            "1601-01-01T00:00:00.000Z",
            "2100-02-28T23:59:59.999Z",
            "9999-12-31T23:59:59.999Z",
            "0001-01-01T00:00:00Z",
            "99999999999999999999",
            "never",
            None,
        )
    ):
        system = {
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Eventlog"}},
            "EventID": 1102,
            "Channel": "Security",
            "Computer": f"clock{number}",
            "TimeCreated": {"#attributes": {"SystemTime": when}},
        }
        yield {"Event": {"System": system, "UserData": {"LogFileCleared": {"n": number}}}}


_LAUGHS: Final = '<!ENTITY l0 "ha">' + "".join(
    f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 10)
)


def _events_xml(declared: str, used: str) -> bytes:
    return (
        f'<?xml version="1.0"?><!DOCTYPE Events [{declared}]><Events>'
        '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System>'
        '<Provider Name="Made"/><EventID>1</EventID><Channel>Application</Channel>'
        '<TimeCreated SystemTime="2026-11-17T10:00:00Z"/><Computer>host</Computer></System>'
        f'<EventData><Data Name="Stolen">{used}</Data></EventData></Event></Events>'
    ).encode()


def write(folder: Path) -> None:
    """All of it, with what is no file at all: links, loops, a pipe, names that are no text."""
    folder.mkdir()
    for name, content in files().items():
        (folder / name).write_bytes(content)
    (folder / "copy.log").write_bytes(auth("first"))
    for name in (b"inval\xff.log", b"new\nline.log", b"\x1b[31mred.log", b"n" * 251 + b".log"):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(
            auth(f"name {name[:8]!r}")
        )
    (folder / "links").mkdir()
    (folder / "links" / "up").symlink_to("..")
    (folder / "links" / "one").symlink_to("two")
    (folder / "links" / "two").symlink_to("one")
    (folder / "links" / "gone").symlink_to("nothing")
    (folder / "links" / "passwd").symlink_to("/etc/passwd")
    (folder / "links" / "zero").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")
    (folder / "forbidden").mkdir()
    (folder / "forbidden" / "good.log").write_bytes(auth("within"))
    (folder / "secret.log").write_bytes(auth("secret"))
    (folder / "forbidden").chmod(0)
    (folder / "secret.log").chmod(0)
