"""Makes up whole reports for tests and screenshots: a common one, and one full of hostile text."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa

from labrys.report.contents import Report
from labrys.report.summary import DetectorRun, Problem, RuleRejected, SourceRead, Summary
from labrys.triage import incidents
from labrys.triage.testing import DAY, HOUR, MACRO, START, case, finding, intrusion, table

HOSTILE: Final = (
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    '"onmouseover="document.title=\'owned\'"',
    "<img src=x onerror=\"document.title='owned'\">",
    "<!--<script>",
    "http://attacker.example/track.png",
    "{{script}} {{data}} ${1+1}",
    "\u202egpj.exe\u2066",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b0m",
    "zero\u200bwidth\ufeff\U000e0041 line\u2028end\u2029",
    "two\nlines\r\ttabs\x00nul\x1emany",
    '=HYPERLINK("http://attacker.example")',
    "@SUM(1+1)|cmd",
    "  =1+1",
    "[bold red]markup[/] :skull:",
    "\ud800 lone",
    "x" * 20_000,
)
"""What evidence may hold to act on whoever reads a report."""


def common() -> Report:
    """A report of the made-up case, with everything a summary can say."""
    findings = pa.concat_tables([case(), table(list(_others()))])
    summary = Summary(
        version="0.1.0",
        case="case/laptops",
        time_start=START,
        time_end=START + 5 * DAY - 1000,
        sources=(
            SourceRead("case/ws01/Security.evtx", "evtx", 12_000_000, 88_123),
            SourceRead("case/srv02/System.evtx", "evtx", 2_000_000, 8_123, unparsed=17),
            SourceRead("case/firewall/conn.log", "zeek", 22_000_000, 188_123),
            SourceRead("case/odd.bin", "", 312),
        ),
        shapes={
            "windows.sysmon.1": 48_811,
            "windows.security.4624": 20_111,
            "zeek.conn": 188_123,
            "unparsed": 17,
        },
        problems=(
            Problem("case/srv02/System.evtx", "chunk checksum does not match", 65_536, 17),
            Problem("case/odd.bin", "no known format"),
        ),
        detectors=(
            DetectorRun("sigma", 3_641, 413),
            DetectorRun("logons", 0, 2),
        ),
        rejected=(
            RuleRejected("rules/list.yml", "Needs a list", "%Workstations% has no values", True),
            RuleRejected("rules/broken.yml", "Broken", "line 4: selection is not a mapping"),
        ),
        seconds={"read": 3.1, "detect": 5.3, "triage": 0.2},
        omitted=("2 findings are hidden by an exception until 2026-04-01.",),
    )
    record = {
        "Channel": "Security",
        "EventID": "4624",
        "CommandLine": "powershell.exe -Enc SQBFAFgA",
    }
    first = {
        row["evidence"][0]["_id"]: record for row in intrusion(START + 2 * DAY + 9 * 3_600_000)
    }
    return Report.of(findings, incidents(findings), summary, first)


def _others() -> Iterator[dict[str, Any]]:
    """Serious findings on other desks, days apart: each is an incident of its own."""
    for number in range(3):
        rule = replace(MACRO, uid=f"r-macro-{number}", severity=4)
        desk = ("host", f"ws{24 + number}.corp.example", "device")
        yield finding(rule, START + number * DAY + 15 * HOUR, [desk])


def hostile() -> Report:
    """A report in which every text that evidence can reach is one of `HOSTILE`."""
    rows = []
    records = {}
    for number, row in enumerate(intrusion() * 2):
        text = _clean(HOSTILE[number % len(HOSTILE)])
        records[f"id{number}"] = {text[:200]: text}
        rows.append(
            row
            | {
                "uid": f"{number:03}{text[:30]}",
                "title": text,
                "author": text,
                "rule_uid": text,
                "detector": text[:50],
                "shape": text[:50],
                "advice": text,
                "techniques": ["T1003", text[:40]],
                "tactics": ["credential-access", text[:40]],
                "entities": [
                    *row["entities"],
                    *({"type": kind, "value": text, "role": "object"} for kind in _KINDS),
                ],
                "evidence": [{"_id": f"id{number}", "_source": text, "_offset": number}],
                "reasons": [{"feature": text, "value": text, "weight": 1.5}],
            }
        )
    texts = [_clean(text) for text in HOSTILE]
    findings = table(rows)
    summary = Summary(
        version=texts[0],
        case=texts[1],
        sources=tuple(SourceRead(text, text, 1, 1, 1) for text in texts),
        shapes=dict.fromkeys(texts, 1),
        problems=tuple(Problem(text, text, 1, 1) for text in texts),
        detectors=tuple(DetectorRun(text) for text in texts),
        rejected=tuple(RuleRejected(text, text, text) for text in texts),
        omitted=tuple(texts),
    )
    return Report.of(findings, incidents(findings), summary, records)


_KINDS: Final = ("host", "user", "file", "url", "process", "service", "unheard-of")


def _clean(text: str) -> str:
    """As a reader gives it: Arrow text cannot hold a lone surrogate."""
    return text.encode("utf-8", "backslashreplace").decode()
