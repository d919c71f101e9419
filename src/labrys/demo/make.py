"""Writes the demo's evidence to a folder, the way a responder is handed it."""

import gzip
import io
import os
import random
import zipfile
from pathlib import Path

import orjson

from labrys.demo import cloud, linux, network, windows
from labrys.demo.scene import ACCOUNT, DAY
from labrys.errors import LabrysError

_SEED = 4711


def make(folder: Path) -> int:
    """Write what is not there yet; the number of files. The same bytes every time.

    Raises `LabrysError` where the folder holds anything else, which would pass for invented.
    """
    files = _files()
    _refuse_others(folder, {folder / name for name in files})
    missing = {name: content for name, content in files.items() if not (folder / name).exists()}
    for name, content in missing.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        # Year-less dates are resolved from when the file was last written.
        os.utime(path, (DAY.timestamp() + 86_400, DAY.timestamp() + 86_400))
    return len(missing)


def _refuse_others(folder: Path, ours: set[Path]) -> None:
    """Fail where there is a file, or a link, that the demo does not write."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise LabrysError(f"{folder}: is no folder of the demo's; name a new folder for the demo")
    for path in folder.rglob("*"):
        if path not in ours and (path.is_symlink() or not path.is_dir()):
            raise LabrysError(
                f"{path}: is not a file that the demo writes; name a new folder for the demo, "
                "or scan your own evidence with `labrys scan`"
            )


def _files() -> dict[str, bytes]:
    """The content of each file by its name below the folder."""
    draw = random.Random(_SEED)
    files: dict[str, bytes] = {}
    for name, events in windows.logs(draw):
        lines = b"".join(orjson.dumps(event) + b"\n" for event in events)
        files[f"windows/{name}"] = lines
    files["linux/web01/auth.log"] = linux.auth_log(draw).encode()
    day = DAY.strftime("%Y/%m/%d")
    records = orjson.dumps({"Records": cloud.trail(draw)})
    place = f"cloud/AWSLogs/{ACCOUNT}/CloudTrail/eu-central-1/{day}"
    files[f"{place}/{ACCOUNT}_CloudTrail_eu-central-1.json.gz"] = gzip.compress(records, mtime=0)
    files["network/zeek.zip"] = _zipped(
        {"zeek/conn.log": network.conn_log(draw), "zeek/dns.log": network.dns_log(draw)}
    )
    return files


def _zipped(members: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            stamp = (DAY.year, DAY.month, DAY.day, 23, 59, 58)
            archive.writestr(zipfile.ZipInfo(name, stamp), text)
    return packed.getvalue()
