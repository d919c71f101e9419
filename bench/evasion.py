"""How many disguised command lines the evasion detector catches, and what it says on ordinary ones.

`python -m bench evasion [--quick] [--json]`. Process events on which a rule of medium level or above
fires are rewritten by every family of disguises; what no such rule fires on any more has evaded the
rules. It is caught when the evasion detector finds it, and named when it names a rule that the event
was found by before. Families marked + were written for this benchmark only, and nothing in the detector
was made or changed for them. Ordinary events are counted beside it: everything found there is false.
"""

import argparse
import base64
import gzip
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from bench.benign.make import write
from bench.data import ENDPOINT, Skipped, sigma_rules, unpacked, workspace
from bench.measure import REPO
from labrys.detect.contract import RowDetector
from labrys.detect.evasion.explain import LIKE_ATTACK, OBFUSCATED
from labrys.detect.evasion.seen import PLACES
from labrys.detect.evasion.threat import POSIX, TRAINED, WINDOWS
from labrys.detect.registry import RowFolder, detectors
from labrys.detect.sigma.findings import SIGMA
from labrys.evidence.records import Source
from labrys.evidence.registry import SNIFF_BYTES, choose
from labrys.ocsf.schema import Severity
from labrys.scan.rules import armed, builtin_rules, load

Event = dict[str, Any]
Draw = np.random.Generator
Rewrite = Callable[[str, Draw], str]

LAYERS: Final = ("canonical form", "loose rule", "disguise alone", "model alone")
_SEED: Final = 23
_COLLECTIONS: Final = ("evtx_attack_samples", "evtx_to_mitre", "sigma_regression")
_HOSTS: Final = ("host_Win10_RathbunVM", "host_Win10_BelkasoftCTF_InsiderThreat")
_SIMULATOR: Final = ("host_Win10_APTSimulatorVM", 1_646_942_242_300)
"""A host, and when its owner started the simulated attack."""
_LEADING: Final = ("_id", "_time", "_source", "_offset", "_host")


@dataclass(frozen=True, slots=True)
class Tally:
    """One line of a table."""

    what: str
    family: str
    evasions: int
    caught: int
    named: int
    layers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Tools:
    """Rules and the detectors that run them."""

    sigma: RowDetector
    evasion: RowDetector


def tools(folders: Sequence[Path]) -> Tools:
    """The detectors, as a scan makes them."""
    rules, sigma = load(folders)
    made = next(one for one in detectors() if one.id == "evasion")
    assert isinstance(made, RowFolder)
    return Tools(sigma, armed(made, rules, sigma))


# ------------------------------------------------------------- families that nothing was made for


def _no_quotes(line: str) -> str:
    return line.replace('"', "").replace("'", "")


def _substituted(line: str, draw: Draw) -> str:
    words = re.sub(
        r"[A-Za-z]{4,}", lambda found: found[0][:2] + "Zq" + found[0][2:], _no_quotes(line)
    )
    return f'cmd.exe /v:on /c "set cl={words}&&call %cl:Zq=%"'


def _zipped(line: str, _: Draw) -> str:
    blob = base64.b64encode(gzip.compress(line.encode(), mtime=0)).decode()
    return (
        'powershell -nop -c "iex (New-Object IO.StreamReader((New-Object IO.Compression.GzipStream('
        f"[IO.MemoryStream][Convert]::FromBase64String('{blob}'),"
        '[IO.Compression.CompressionMode]::Decompress)))).ReadToEnd()"'
    )


def _utf8_base64(line: str, _: Draw) -> str:
    blob = base64.b64encode(line.encode()).decode()
    return (
        f"powershell iex ([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{blob}')))"
    )


def _backwards(line: str, _: Draw) -> str:
    text = _no_quotes(line)
    return f"powershell -c \"iex ('{text[::-1]}'[-1..-{len(text)}] -join '')\""


def _replaced(line: str, draw: Draw) -> str:
    text = re.sub(
        r"[A-Za-z]{4,}", lambda found: found[0][:2] + "!!" + found[0][2:], _no_quotes(line)
    )
    return f"powershell -c \"iex ('{text}' -replace '!!','')\""


def _percent(line: str, _: Draw) -> str:
    text = "".join(f"%{ord(char):02x}" for char in line if ord(char) < 128)
    return f"mshta.exe javascript:new ActiveXObject('WScript.Shell').Run(unescape('{text}'))"


def _mathematical(line: str, _: Draw) -> str:
    bold = {
        **{chr(97 + n): chr(0x1D41A + n) for n in range(26)},
        **{chr(65 + n): chr(0x1D400 + n) for n in range(26)},
    }
    return re.sub(r"[A-Za-z]{4,}", lambda found: "".join(bold[c] for c in found[0]), line)


def _mixed(line: str, draw: Draw) -> str:
    for family in ("blanks", "quotes", "carets"):
        line = WINDOWS[family](line, draw)
    return line


def _padded(line: str, _: Draw) -> str:
    words = line.split(" ")
    return " ".join(
        [words[0], *(f"{word} /nologo" if n % 2 else word for n, word in enumerate(words[1:]))]
    )


def _colons(line: str, _: Draw) -> str:
    return re.sub(r"(\s[-/][A-Za-z]{2,}) (?=[\w\"'\\])", r"\1:", line)


def _for_loop(line: str, _: Draw) -> str:
    program, _space, rest = line.partition(" ")
    half = len(program) // 2
    return f'cmd /c "for %a in ({program[:half]}) do for %b in ({program[half:]}) do %a%b {rest}"'


def _octal(line: str, _: Draw) -> str:
    return "$(printf '" + "".join(f"\\{ord(char):03o}" for char in line) + "')"


def _python_hex(line: str, _: Draw) -> str:
    return f"python3 -c \"import os;os.system(bytes.fromhex('{line.encode().hex()}').decode())\""


def _twice(line: str, _: Draw) -> str:
    inner = f"echo {base64.b64encode(line.encode()).decode()} | base64 -d | sh"
    return f"bash -c 'echo {base64.b64encode(inner.encode()).decode()}|base64 --decode|bash'"


def _rotated(line: str, _: Draw) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    turned = line.translate(str.maketrans(letters, letters[13:] + letters[:13]))
    return f"echo '{turned}' | tr 'a-z' 'n-za-m' | sh"


def _cut_path(line: str, _: Draw) -> str:
    return line.replace("/", "${HOME:0:1}")


def _split_quotes(line: str, draw: Draw) -> str:
    return re.sub(
        r"[a-z]{4,}", lambda found: f"{found[0][:2]}\"{found[0][2:3]}\"'{found[0][3:]}'", line
    )


def _own_cut(line: str, _: Draw) -> str:
    return f'cmd /v:on /c "set q=zzz{_no_quotes(line)}&&!q:~3!"'


def _continued(line: str, _: Draw) -> str:
    return "cmd /c " + re.sub(
        r"[A-Za-z]{4,}", lambda found: found[0][:2] + "^\r\n" + found[0][2:], line
    )


def _escaped_letters(line: str, _: Draw) -> str:
    text = "".join(f"\\u{ord(char):04x}" if char.isalpha() else char for char in _no_quotes(line))
    return f"mshta.exe \"javascript:new ActiveXObject('WScript.Shell').Run('{text}')\""


def _three_parts(line: str, _: Draw) -> str:
    text = _no_quotes(line)
    third = len(text) // 3
    parts = f"'{text[2 * third :]}','{text[:third]}','{text[third : 2 * third]}'"
    return f"powershell -c \"iex ('{{1}}{{2}}{{0}}' -f {parts})\""


def _letter_list(line: str, _: Draw) -> str:
    letters = ",".join(f"'{char}'" for char in _no_quotes(line))
    return f"powershell -c \"iex (({letters}) -join '')\""


def _here_string(line: str, _: Draw) -> str:
    return f'bash <<< "$(echo {base64.b64encode(line.encode()).decode()} | base64 -d)"'


def _echoed(line: str, _: Draw) -> str:
    return "$(echo -e '" + "".join(f"\\x{ord(char):02x}" for char in line) + "')"


def _by_openssl(line: str, _: Draw) -> str:
    blob = base64.b64encode(line.encode()).decode()
    return f"sh -c 'echo {blob} | openssl enc -base64 -d -A | sh'"


SEEN: Final[Mapping[str, Mapping[str, Rewrite]]] = {
    "windows": {"for loops": _for_loop},
    "posix": {"Python and hex": _python_hex, "cut variables": _cut_path},
}
"""Of this benchmark's own families those that the detector was mended for."""
HELD_OUT: Final[Mapping[str, Mapping[str, Rewrite]]] = {
    "windows": {
        "substituted variable": _substituted, "compressed": _zipped, "UTF-8 Base64": _utf8_base64,
        "backwards": _backwards, "replaced": _replaced, "percent codes": _percent,
        "mathematical letters": _mathematical, "several at once": _mixed, "padded": _padded,
        "colons for blanks": _colons, "own variable cut": _own_cut, "continued lines": _continued,
        "escaped letters": _escaped_letters, "three parts": _three_parts, "list of letters": _letter_list,
    },
    "posix": {
        "octal": _octal, "encoded twice": _twice, "rotated": _rotated, "split quotes": _split_quotes,
        "here string": _here_string, "echoed in hex": _echoed, "by openssl": _by_openssl,
    },
}  # fmt: skip


def families(shell: str) -> dict[str, Rewrite]:
    """Every family for a shell; those of this benchmark alone are marked."""
    ours = {**(WINDOWS if shell == "windows" else POSIX), **SEEN[shell]}
    made = {(f"{name} (trained)" if name in TRAINED else name): one for name, one in ours.items()}
    if shell == "windows":
        made["renamed and stripped (trained)"] = WINDOWS["renamed"]
    return {**made, **{f"+ {name}": one for name, one in HELD_OUT[shell].items()}}


# --------------------------------------------------------------------------------------- evidence


def read(path: Path) -> Iterator[tuple[str, pa.Table]]:
    """A file's process events, by shape."""
    content = path.read_bytes()
    found = choose(content[:SNIFF_BYTES], path.name)
    if found is None:
        return
    for shape, batch in found.read(
        Source(path, path.name, sha256(content).hexdigest(), len(content))
    ):
        if shape in PLACES:
            yield shape, pa.Table.from_batches([batch])


def under(folder: Path) -> Iterator[tuple[str, pa.Table]]:
    """The process events of all files in a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield from read(path)


def samples(kind: str) -> Iterator[tuple[str, pa.Table]]:
    """The process events in the hits, or the misses, of our own rules' tests."""
    with TemporaryDirectory() as made:
        for number, path in enumerate(sorted((REPO / "tests" / "rules").rglob("*.yml"))):
            for at, sample in enumerate(yaml.safe_load(path.read_text("utf-8"))):
                if kind in sample:
                    file = Path(made, f"{number}-{at}-{sample.get('name', 'sample')}")
                    file.write_text(sample["records"], encoding="utf-8")
                    yield from read(file)


def joined(tables: Iterable[tuple[str, pa.Table]]) -> dict[str, pa.Table]:
    """Tables of the same shape as one, each record under a number."""
    by_shape: dict[str, list[pa.Table]] = {}
    for shape, table in tables:
        by_shape.setdefault(shape, []).append(table)
    return {
        shape: renumbered(pa.concat_tables(several, promote_options="default"))
        for shape, several in by_shape.items()
    }


def renumbered(table: pa.Table) -> pa.Table:
    """The rows under their numbers."""
    ids = pa.array([str(number) for number in range(table.num_rows)], pa.string())
    return table.set_column(table.schema.get_field_index("_id"), "_id", ids)


def fired(detector: RowDetector, shape: str, table: pa.Table) -> dict[int, list[Event]]:
    """The findings of medium severity and above (of the evasion detector: all), by row."""
    found: dict[int, list[Event]] = {}
    least = Severity.MEDIUM if detector.id == SIGMA else Severity.INFORMATIONAL
    for finding in detector.detect(shape, table).to_pylist():
        if finding["severity_id"] >= least and finding["detector"] == detector.id:
            found.setdefault(int(finding["evidence"][0]["_id"]), []).append(finding)
    return found


# ------------------------------------------------------------------------------------ measurement


def evaded(what: str, made: Tools, tables: Mapping[str, pa.Table], most: int) -> Iterator[Tally]:
    """For each family, how many of the rewritten events evade the rules, and how many are caught."""
    draw = np.random.default_rng(_SEED)
    tallies: dict[str, Tally] = {}
    for shape, table in tables.items():
        if PLACES[shape].script:
            continue
        base = fired(made.sigma, shape, table)
        chosen = _distinct(table, sorted(base))[:most]
        known = [{finding["rule_uid"] for finding in base[row]} for row in chosen]
        events = table.take(pa.array(chosen, pa.int64())).to_pylist()
        for family, rewrite in families(PLACES[shape].shell).items():
            variants, names = _variants(events, known, family, rewrite, draw)
            if variants:
                schema = table.schema
                if shape == "windows.sysmon.1" and "OriginalFileName" not in schema.names:
                    schema = schema.append(pa.field("OriginalFileName", pa.string()))
                mine = _tally(what, family, made, shape, _table(variants, schema), names)
                tallies[family] = _added(tallies.get(family), mine)
    yield from tallies.values()


def _variants(
    events: Sequence[Event], known: Sequence[set[str]], family: str, rewrite: Rewrite, draw: Draw
) -> tuple[list[Event], list[set[str]]]:
    variants, names = [], []
    for event, uids in zip(events, known, strict=True):
        line = event["CommandLine"]
        changed = rewrite(line, draw)
        if changed == line:
            continue
        variant = {**event, "CommandLine": changed}
        if family.startswith("renamed"):
            variant |= _moved(event, changed.split(" ")[0], kept="stripped" not in family)
        variants.append(variant)
        names.append(uids)
    return variants, names


def _moved(event: Event, path: str, *, kept: bool) -> Event:
    """An event's program under another path, with its version information or without."""
    if "NewProcessName" in event:
        return {"NewProcessName": path}
    name = (event.get("Image") or "").rpartition("\\")[2]
    return {
        "Image": path,
        "OriginalFileName": (event.get("OriginalFileName") or name) if kept else "-",
    }


def _tally(
    what: str, family: str, made: Tools, shape: str, table: pa.Table, names: Sequence[set[str]]
) -> Tally:
    still = fired(made.sigma, shape, table)
    found = fired(made.evasion, shape, table)
    lost = [row for row in range(table.num_rows) if row not in still]
    caught = [row for row in lost if row in found]
    named = [row for row in caught if names[row] & {one["rule_uid"] for one in found[row]}]
    return Tally(
        what,
        family,
        len(lost),
        len(caught),
        len(named),
        Counter(layer(found[row][0]) for row in caught),
    )


def layer(finding: Event) -> str:
    """Which of the detector's layers a finding is of."""
    if finding["rule_uid"] in (OBFUSCATED, LIKE_ATTACK):
        return LAYERS[2] if finding["rule_uid"] == OBFUSCATED else LAYERS[3]
    return LAYERS[1] if finding["reasons"][0]["feature"] == "rule all but matched" else LAYERS[0]


def _added(one: Tally | None, other: Tally) -> Tally:
    if one is None:
        return other
    return Tally(
        one.what, one.family, one.evasions + other.evasions, one.caught + other.caught,
        one.named + other.named, Counter(one.layers) + Counter(other.layers),
    )  # fmt: skip


def _distinct(table: pa.Table, rows: Sequence[int]) -> list[int]:
    """The first row of each command line."""
    lines = table.column("CommandLine").to_pylist()
    first: dict[str, int] = {}
    for row in rows:
        if lines[row]:
            first.setdefault(lines[row], row)
    return list(first.values())


def _table(events: Sequence[Event], schema: pa.Schema) -> pa.Table:
    if "Image" not in schema.names and "Image" in events[0]:
        events = [
            {key: value for key, value in event.items() if key != "Image"} for event in events
        ]
    return renumbered(pa.Table.from_pylist(list(events), schema=schema))


def ordinary(
    made: Tools, tables: Mapping[str, pa.Table]
) -> tuple[int, int, list[str], float, float]:
    """Events, distinct lines, what is found on them, and CPU seconds of evasions and of the rules."""
    events = lines = 0
    said: list[str] = []
    ours = theirs = 0.0
    for shape, table in tables.items():
        events += table.num_rows
        column = PLACES[shape].column
        if column in table.column_names:
            lines += len(pc.unique(table.column(column)))
        begun = time.process_time()
        made.sigma.detect(shape, table)
        between = time.process_time()
        found = made.evasion.detect(shape, table)
        ours, theirs = ours + time.process_time() - between, theirs + between - begun
        for finding in found.to_pylist():
            written = next(r["value"] for r in finding["reasons"] if r["feature"] == "as written")
            said.append(
                f"{Severity(finding['severity_id']).name.lower()}: {finding['title']} | {written[:140]}"
            )
    return events, lines, said, ours, theirs


def _bases(
    folder: Path, quick: bool
) -> Iterator[tuple[str, Sequence[Path], dict[str, pa.Table], int]]:
    own = builtin_rules()
    yield "our rules' samples, our rules", [own], joined(samples("hit")), 200
    try:
        real = joined(pair for name in _COLLECTIONS for pair in under(unpacked(name, folder)))
    except Skipped as reason:
        print(f"skipped: {reason}", file=sys.stderr)
        return
    most = 60 if quick else 100_000
    yield "attack collections, our rules", [own], real, most
    yield "attack collections, SigmaHQ and ours", [own, sigma_rules(folder)], real, most


def _ordinary(folder: Path) -> Iterator[tuple[str, Callable[[], Mapping[str, pa.Table]]]]:
    yield "near misses of our rules", lambda: joined(samples("miss"))
    write(folder / "office", days=7, seed=1)
    yield "made-up office, 7 days", lambda: joined(under(folder / "office"))
    if not ENDPOINT.is_dir():
        print("skipped: no ../shared/data/endpoint beside the checkout", file=sys.stderr)
        return
    scraps = ENDPOINT / "benign_scraps"
    yield "real scraps, Windows", lambda: joined(_scraps(scraps / "windows", folder))
    yield "real scraps, Linux", lambda: joined(_scraps(scraps / "linux", folder))
    for name in _HOSTS:
        yield name, partial(lambda name: joined(under(unpacked(name, folder))), name)
    name, until = _SIMULATOR
    yield f"{name} before the attack", lambda: _before(joined(under(unpacked(name, folder))), until)


def _scraps(scraps: Path, folder: Path) -> Iterator[tuple[str, pa.Table]]:
    import lzma

    for path in sorted(scraps.glob("*.xz")):
        # Alerts are chosen by rules: they are no sample of ordinary events.
        if "alerts" not in path.name:
            plain = folder / path.stem
            plain.write_bytes(lzma.decompress(path.read_bytes()))
            yield from read(plain)


def _before(tables: Mapping[str, pa.Table], until: int) -> dict[str, pa.Table]:
    return {
        shape: renumbered(table.filter(pc.fill_null(pc.less(table["_time"], until), False)))
        for shape, table in tables.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench evasion", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer events")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    asked = parser.parse_args(arguments)
    document: dict[str, Any] = {"evasions": [], "ordinary": []}
    with workspace() as folder:
        for what, rules, tables, most in _bases(folder, asked.quick):
            rows = list(evaded(what, tools(rules), tables, most))
            document["evasions"] += [asdict(row) for row in rows]
            if not asked.json:
                _print_tallies(what, rows)
        for rules in (
            [builtin_rules()],
            [builtin_rules(), sigma_rules(folder)] if ENDPOINT.is_dir() else [],
        ):
            if not rules:
                continue
            made = tools(rules)
            for what, tables_of in _ordinary(folder):
                events, lines, said, ours, theirs = ordinary(made, tables_of())
                name = f"{what}, {'our rules' if len(rules) == 1 else 'SigmaHQ and ours'}"
                document["ordinary"].append(
                    {"what": name, "events": events, "lines": lines, "found": said}
                )
                if not asked.json:
                    print(
                        f"{name}: {events:,} events, {lines:,} distinct lines, {len(said)} findings; "
                        f"CPU {ours:.2f} s (rules {theirs:.2f} s)"
                    )
                    for text, count in Counter(said).most_common(12):
                        print(f"    {count} × {text}")
    if asked.json:
        print(json.dumps(document, indent=1))
    return 0


def _print_tallies(what: str, rows: Sequence[Tally]) -> None:
    print(f"\n{what}\n{'family':28}{'evasions':>9}{'caught':>8}{'':>6}{'named':>7}  by")
    parts = {
        "all families": rows,
        "not trained on": [row for row in rows if "(trained)" not in row.family],
        "+ this benchmark's alone": [row for row in rows if row.family.startswith("+")],
    }
    for row in [*rows, *(_sum(what, name, part) for name, part in parts.items())]:
        share = f"{row.caught / row.evasions:.0%}" if row.evasions else "-"
        by = ", ".join(f"{name} {count}" for name, count in sorted(row.layers.items()))
        print(f"{row.family:28}{row.evasions:9}{row.caught:8}{share:>6}{row.named:7}  {by}")


def _sum(what: str, name: str, rows: Sequence[Tally]) -> Tally:
    total = Tally(what, name, 0, 0, 0, {})
    for row in rows:
        total = _added(total, row)
    return Tally(what, name, total.evasions, total.caught, total.named, total.layers)


if __name__ == "__main__":
    raise SystemExit(main())
