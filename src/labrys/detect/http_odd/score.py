"""Judges what a source asked of a site: each mark weighs what it alone would mean.

Weights are judgement from what software of any kind does and from the earlier half of the malware
captures; none knows a family, a name or an address. A site that says enough is a finding of its
own; what several sites say too quietly is joined for the source and the day.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from labrys.detect.http_odd.features import MANY_SITES, THING
from labrys.detect.network.finding import Found, Row, Signal, grouped, joined, table
from labrys.ocsf.schema import Severity

ID: Final = "http_odd"
ALERT: Final = 0.6
SURE: Final = 0.93
SHOWN: Final = 0.4
TOGETHER: Final = 0.75
"""What several sites must say together."""
MOST_SITES: Final = 10

_WEIGHTS: Final = {
    "masked": (0.55, "content", "a program or other data under a picture's or page's name"),
    "program_page": (0.45, "content", "a program under no name of one"),
    "program_bare": (0.45, "content", "a program from a bare address"),
    "named_program": (0.3, "content", "a program, asked for by no page"),
    "program_root": (0.3, "content", "a program where a site has its front page"),
    "opaque_page": (0.3, "content", "unnamed data, asked for by no page"),
    "opaque_script": (0.25, "content", "unnamed data from a script"),
    "dropper": (0.35, "agent", "the content went to a script, an old browser or nobody"),
    "opaque_post": (0.4, "content", "unnamed data in answer to a POST"),
    "blob": (0.25, "content", "much without name and type, asked for by no page"),
    "flash": (0.45, "content", "Flash or Java under another name"),
    "office": (0.4, "agent", "an office program or WebDAV, in the clear, to the internet"),
    "garbage": (0.7, "method", "no HTTP: another protocol on HTTP's port"),
    "hidden": (0.75, "host", "a name outside the public DNS"),
    "echo": (0.3, "host", "a service that tells the asker's address"),
    "post_page": (0.3, "POST", "to a script, from no page"),
    "post_panel": (0.2, "POST", "to a page called as control panels call it"),
    "post_root": (0.15, "POST", "to the root, from no page"),
    "post_mute": (0.1, "POST", "without an agent"),
    "post_odd": (0.25, "POST", "to a script by a script, an old browser or nobody"),
    "post_bare": (0.45, "POST", "to a bare address"),
    "broken": (0.45, "agent", "no browser and no library calls itself that"),
    "old": (0.15, "agent", "a browser of long ago"),
    "agentless": (0.15, "agent", "none"),
    "tool": (0.2, "agent", "a script's"),
    "library": (0.1, "agent", "a library's"),
    "query": (0.15, "query", "long, and asked of the root"),
    "odd_port": (0.15, "port", "not HTTP's"),
    "abused": (0.2, "host", "in a top-level domain that is often abused"),
    "bare": (0.1, "host", "a bare address"),
}
_REPORTS: Final = ("post_page", "post_panel", "post_root", "post_mute", "post_odd")
_TECHNIQUES: Final = {
    "T1036.008": ("masked", "program_page", "flash"),
    "T1105": ("program_bare", "named_program", "opaque_page", "opaque_post", "blob", "office"),
    "T1090.003": ("hidden",),
    "T1016.001": ("echo",),
    "T1001": ("garbage",),
}
_ADVICE: Final = (
    "Find the program that asked and how it came there; fetch what it got from a proxy's cache or the "
    "capture and have it examined. Look for the same site in other hosts' traffic."
)


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return table(ID, _findings(rows))


def _findings(rows: pa.Table) -> Iterator[Found]:
    quiet: dict[tuple[str, int], list[tuple[float, list[dict[str, Any]]]]] = {}
    for records in grouped(rows, THING):
        row = records[0]
        signals = list(judge(row))
        sum_ = joined(signals)
        if sum_ >= ALERT:
            yield _found(row, signals, sum_, records)
        elif sum_ >= 0.2:
            quiet.setdefault((row["src"], row["day"]), []).append((sum_, records))
    for sites in quiet.values():
        yield from _together(sites)


def judge(row: Row) -> Iterator[Signal]:
    """What the marks of a source and a site say."""
    if row["kind"] == "path":
        yield from _same_path(row)
        return
    for name, (weight, what, said) in _WEIGHTS.items():
        count = row[name]
        if not count or (name in _REPORTS and row["ordinary"]):
            continue
        yield Signal(what, f"{said} ({count} of {row['requests']} requests)", weight)
    if row["post"] >= 5 and row["paths"] <= 3 and not row["ordinary"]:
        yield Signal("reports", f"{row['post']} POSTs to {row['paths']} pages", 0.15)
    if row["post_failed"] >= 3 and not row["ordinary"]:
        yield Signal("answers", f"{row['post_failed']} POSTs failed or were not answered", 0.1)
    if row["product"] == row["requests"]:
        yield Signal("agent", "names its product, as updaters do", -0.5)
    elif row["product"] + row["library"] == row["requests"] and not row["bare"]:
        yield Signal("agent", "names its product or library, to a site with a name", -0.3)


def _same_path(row: Row) -> Iterator[Signal]:
    told = f"{row['thing'][:80]} asked of {row['sites']} sites"
    if row["thing"] == "/" and not (row["post"] and row["bare"]):
        return
    if row["mute"] * 2 < row["requests"] and row["sites"] < 5 * MANY_SITES:
        return
    yield Signal("same page of many sites", told, 0.65 if row["sites"] >= 2 * MANY_SITES else 0.45)
    if row["post"]:
        yield Signal("POST", f"{row['post']} from no page", 0.25)
    if row["bare"]:
        yield Signal("host", f"a bare address ({row['bare']} requests)", 0.3)
    if row["old"] or row["agentless"]:
        yield Signal("agent", row["some_agent"] or "none", 0.2)


def _together(sites: list[tuple[float, list[dict[str, Any]]]]) -> Iterator[Found]:
    """One finding of what the sites of a source and a day say quietly, the loudest of each domain."""
    loudest: dict[str, tuple[float, list[dict[str, Any]]]] = {}
    for sum_, records in sorted(sites, key=lambda one: -one[0]):
        if records[0]["kind"] == "site":
            loudest.setdefault(_domain(records[0]["thing"]), (sum_, records))
    if not loudest:
        return
    chosen = list(loudest.values())[:MOST_SITES]
    signals = [
        Signal(f"site {records[0]['thing']}", _said(records[0]), round(sum_, 3))
        for sum_, records in chosen
    ]
    total = joined(signals)
    enough = total >= TOGETHER and len(chosen) >= 2
    if not enough and chosen[0][0] < SHOWN:
        return
    records = [each for _, group in chosen for each in group[:3]]
    yield _found(records[0], signals, total, records, alert=enough, several=True)


def _said(row: Row) -> str:
    return "; ".join(f"{signal.name} {signal.value}" for signal in judge(row) if signal.weight > 0)


def _domain(site: str) -> str:
    labels = site.rstrip(".").split(".")
    return site if labels[-1].isdigit() else ".".join(labels[-2:])


def _found(
    row: Row,
    signals: Sequence[Signal],
    total: float,
    records: Sequence[dict[str, Any]],
    *,
    alert: bool = True,
    several: bool = False,
) -> Found:
    severity = Severity.LOW if not alert else Severity.HIGH if total >= SURE else Severity.MEDIUM
    if several:
        severity = min(severity, Severity.MEDIUM)
    names = [records[0]["thing"]] if not several else [each["thing"] for each in records]
    marked = {name for name in _WEIGHTS if any(each.get(name) for each in records)}
    more = [name for name, marks in _TECHNIQUES.items() if marked & set(marks)]
    return Found(
        rule="http_odd.host" if several else f"http_odd.{row['kind']}",
        title=_title(row, several),
        severity=severity,
        confidence=round(100 * total),
        key=(row["src"], str(row["day"]), "" if several else row["thing"]),
        start=min(each["first"] for each in records),
        end=max(each["last"] for each in records),
        entities=(
            ("ip", row["src"], "source"),
            *(_site(name, row) for name in dict.fromkeys(names)),
            *(("ip", each["dst"], "destination") for each in records[:MOST_SITES]),
        ),
        signals=signals,
        techniques=("T1071.001", *more),
        advice=_ADVICE,
        records=records,
    )


def _title(row: Row, several: bool) -> str:
    if several:
        return "Several sites asked as malware asks"
    if row["kind"] == "path":
        return "The same page asked of many sites by a program"
    fetched = any(row[name] for name in ("masked", "program_page", "program_bare", "named_program"))
    return "Program fetched as malware fetches it" if fetched else "HTTP as malware speaks it"


def _site(name: str, row: Row) -> tuple[str, str | None, str]:
    if row["kind"] == "path" or name.replace(".", "").replace(":", "").isdigit():
        return "ip", None if row["kind"] == "path" else name.partition(":")[0], "destination"
    return "domain", name, "destination"
