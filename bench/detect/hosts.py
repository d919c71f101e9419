"""Logs of single hosts: an attacked SSH server, and scraps of ordinary use."""

import gzip
import json
import lzma
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.detect.figures import Figure
from bench.detect.found import HIGH, LEVELS, MEDIUM, Found
from bench.detect.labelled import Labelled, data

_INTRUDER: Final = "24.151.103.17"
_SCRAPS: Final = (
    ("linux/ygh_centos6_audit.log", "1 host, 91 h (91 h of audit log)"),
    ("linux/ygh_centos6_secure.log", "1 host, 480 h of secure"),
    ("linux/ygh_centos6_cron.log", "1 host, 480 h of cron"),
    ("linux/aws_centos7_audit.log", "1 host, 1.3 h"),
    ("linux/aws_centos7_secure.log", "1 host, 1.3 h"),
    ("windows/solanky_laptop_sysmon1.jsonl", "1 host, 0.09 h, 128 process starts"),
    ("windows/casim_detectionlab_sysmon1.jsonl", "1 host, 0.18 h, 61 process starts"),
    ("windows/socbed_sigma_alerts.jsonl", "3 hosts, 4.5 h, 1,003 events that rules had flagged"),
)
_OURS: Final = ("_time", "_source", "_label")


def _ssh(folder: Path) -> None:
    (folder / "auth.log").write_bytes(
        gzip.decompress(data("linux", "elastic_auth.log.gz").read_bytes())
    )


def _ssh_found(found: Found, _: Path) -> Iterator[Figure]:
    ranks = [each.rank for each in found.incidents if _INTRUDER in each.entities]
    yield Figure(
        "rank of the first incident with the intruder",
        min(ranks, default=None),
        target="1",
        unit="1 host",
    )
    yield Figure(
        "incidents",
        len(found.incidents),
        unit="1 host",
        against=tuple(
            f"{each.rank}: {each.title} ({len(each.findings)})" for each in found.incidents
        ),
    )
    serious = [each for each in found.findings if each.severity >= MEDIUM]
    his = sum(_INTRUDER in each.entities for each in serious)
    yield Figure("medium+ findings that name the intruder", his, len(serious), unit="findings")
    high = [each for each in found.findings if each.severity >= HIGH]
    yield Figure(
        "high+ findings that name the intruder",
        sum(_INTRUDER in each.entities for each in high),
        len(high),
        unit="findings",
    )


def _scraps(folder: Path) -> None:
    for name, _ in _SCRAPS:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        text = lzma.decompress(data("benign_scraps", f"{name}.xz").read_bytes()).decode("utf-8")
        path.write_text("".join(map(_windows, text.splitlines(True))) if "jsonl" in name else text)


def _windows(line: str) -> str:
    """A line of the set as the event its host logged."""
    row: dict[str, Any] = json.loads(line)
    if "event_data" in row:
        event = {
            "@timestamp": row["time"],
            "winlog": {
                "channel": row["channel"],
                "event_id": str(row["event_id"]),
                "computer_name": row["host"],
                "event_data": row["event_data"],
            },
        }
        return json.dumps(event) + "\n"
    if row.get("_label") == "attack_tool":
        return ""
    said = {name: value for name, value in row.items() if name not in _OURS}
    return json.dumps({**said, "EventTime": row["_time"]}) + "\n"


def _scraps_found(found: Found, _: Path) -> Iterator[Figure]:
    for name, amount in _SCRAPS:
        mine = found.of(name)
        levels = Counter(each.severity for each in mine)
        serious = Counter(each.title for each in mine if each.severity >= MEDIUM)
        for level in (5, 4, 3, 2):
            yield Figure(
                f"{name}: {LEVELS[level]}",
                levels[level],
                unit=amount,
                target="0" if level >= HIGH else "",
                against=tuple(
                    f"{count} × {each}"
                    for each, count in serious.most_common()
                    if any(one.title == each and one.severity == level for one in mine)
                ),
            )
    yield Figure(
        "incidents",
        len(found.incidents),
        unit="7 hosts, 5 of them minutes to hours",
        against=tuple(each.title for each in found.incidents),
    )


SSH: Final = Labelled(
    "linux_auth",
    "where the incident with the known intruder's address ranks, and how many incidents there are",
    "one server on the internet, one intruder (simulated); all others that guess passwords are "
    "real, and unlabelled",
    _ssh,
    _ssh_found,
)
SCRAPS: Final = Labelled(
    "benign_scraps",
    "everything found is a false alarm, for each log with the hours it covers",
    "minutes to hours of Windows process starts: no rate per host-day can be told from them; the "
    "SOCBED events are only those which old rules had flagged and hold about 32 true positives "
    "that are not marked; one start of an attack tool is left out",
    _scraps,
    _scraps_found,
)
