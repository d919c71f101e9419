"""Network detectors on real benign hosts, malware captures, tunnels and made-up beacons.

`python -m bench network [NAME…] [--quick] [--json]`. Every figure says how many independent units it rests
on. Made-up traffic is called simulated; its test parameters overlap the tuning ones nowhere.
"""

import argparse
import json
import sys
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.data import Skipped, workspace
from bench.measure import REPO, child
from bench.scanning import scan
from bench.traffic import administration, attacks, hosts
from bench.traffic import intrusions as made_up
from bench.traffic.flow import table
from labrys.detect.beacon.score import BASE, judge
from labrys.detect.contract import WindowDetector
from labrys.detect.network.finding import grouped
from labrys.detect.network.testing import VIEWS, network_detectors, query, schema
from labrys.detect.network.testing import table as padded
from labrys.lake.case import Case
from labrys.lake.engine import connect
from labrys.ocsf.schema import Severity

DATA: Final = REPO.parent / "shared" / "data" / "network"
CHECKED_FROM: Final = "2017-06"
"""Malware captures of earlier months were looked at while weights were chosen, later ones not."""
JITTERS: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)

Tables = Mapping[str, pa.Table]


@dataclass(frozen=True, slots=True)
class Line:
    """One figure, what it was measured on, and how many independent units that is."""

    what: str
    figure: str
    on: str
    note: str = ""


def found(tables: Tables, made: WindowDetector) -> list[dict[str, Any]]:
    """What a detector finds in the views of one case."""
    rows = tables.get(made.reads)
    if rows is None or not rows.num_rows:
        return []
    with duckdb.connect(config={"threads": 1}) as database:
        database.register(made.reads, rows)
        return list(made.score(database.sql(query(made.id)).to_arrow_table()).to_pylist())


def views(paths: list[Path], case: Path) -> Tables:
    """The views of a case made of files."""
    # One detector that has nothing to do here: the records are wanted, not the findings.
    scan(paths, case, (), case.parent, "--only", "guessing")
    with Case.open(case, write=False) as opened:
        engine = connect(opened, threads=1)
        try:
            return {
                name: engine.sql(f"SELECT * FROM {name}").read_all()
                for name in VIEWS
                if engine.views.find(name) is not None
            }
        finally:
            engine.close()


def unzipped(name: str, into: Path) -> Path:
    """The folder with what an archive of the data holds."""
    archive = DATA / name
    if not archive.is_file():
        raise Skipped(f"{name} is not in ../shared/data/network beside the checkout")
    folder = into / archive.stem
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder


def alerts(tables: Tables) -> list[dict[str, Any]]:
    """The findings of all network detectors that are medium or worse."""
    every = [row for made in network_detectors() for row in found(tables, made)]
    return [row for row in every if row["severity_id"] >= Severity.MEDIUM]


def source_of(row: Mapping[str, Any]) -> str:
    """Whom a finding accuses."""
    return next((e["value"] for e in row["entities"] if e["role"] == "source"), "")


def benign(into: Path) -> Iterator[Line]:
    """Real benign hosts: what is an alert there, and whom inbound scans get accused."""
    folder = unzipped("benign_hosts/zeek_benign_hosts.zip", into)
    days, count, blamed = 0.0, 0, 0
    for host in sorted(path for path in folder.iterdir() if path.is_dir()):
        tables = views([host], into / f"{host.name}.labrys")
        flows = tables["network_activity"]
        me = max(
            set(flows["src_endpoint_ip"].to_pylist()),
            key=flows["src_endpoint_ip"].to_pylist().count,
        )
        when = pc.min_max(flows.filter(pc.equal(flows["src_endpoint_ip"], me))["_time"]).as_py()
        length = (when["max"] - when["min"]) / 86_400_000
        mine = [row for row in alerts(tables) if source_of(row) == me]
        others = [row for row in alerts(tables) if source_of(row) != me]
        blamed += sum(row["detector"] in ("scan", "ddos") for row in mine)
        days, count = days + length, count + len(mine)
        told = ", ".join(row["title"] for row in mine) or "-"
        yield Line(f"alerts, {host.name}", str(len(mine)), f"{length:.2f} host-days", told)
        if others:
            yield Line(f"alerts on others, {host.name}", str(len(others)), "", others[0]["title"])
    path = DATA / "benign_hosts" / "flows.parquet"
    with duckdb.connect(config={"threads": 1}) as database:
        database.read_parquet(str(path)).create("flows")
        rows = database.sql(_SPEAKER).to_arrow_table()
    echo = alerts({"network_activity": padded("network_activity", rows.to_pylist())})
    days, count = days + 0.23, count + len(echo)
    yield Line("alerts, smart speaker (flows only)", str(len(echo)), "0.23 host-days")
    bound = 3 / days if count == 0 else float("nan")
    yield Line("alerts, all benign hosts", str(count), f"{days:.2f} host-days, 4 hosts, one laboratory",
               f"none in so few bounds the rate at {bound:.2f} a host-day (95 %)")  # fmt: skip
    yield Line("scanned hosts accused of scanning", str(blamed), "2 hosts that are scanned all day")


_SPEAKER: Final = """SELECT 'e' || row_number() OVER () AS _id, (ts * 1000)::BIGINT AS _time,
'flows' AS _source, 0::BIGINT AS _offset, 'made' AS _shape, src AS src_endpoint_ip,
sport::BIGINT AS src_endpoint_port, dst AS dst_endpoint_ip, dport::BIGINT AS dst_endpoint_port,
proto AS connection_info_protocol_name, service AS app_name,
(duration * 1000)::BIGINT AS duration, orig_bytes::BIGINT AS traffic_bytes_out,
resp_bytes::BIGINT AS traffic_bytes_in, orig_pkts::BIGINT AS traffic_packets_out,
resp_pkts::BIGINT AS traffic_packets_in, conn_state AS status_detail
FROM flows WHERE capture LIKE '%Echo%' AND outbound"""


def malware(into: Path, quick: bool) -> Iterator[Line]:
    """Malware captures by month: those with an alert."""
    cut = dict(captures(into, quick))
    hits: dict[str, set[str]] = {"earlier": set(), "later": set()}
    totals = dict.fromkeys(hits, 0)
    by: dict[str, set[str]] = {}
    for name, tables in cut.items():
        part = "later" if name >= CHECKED_FROM and name[:2] == "20" else "earlier"
        totals[part] += 1
        for row in alerts(tables):
            hits[part].add(name)
            by.setdefault(row["detector"], set()).add(name)
    for part, months in (
        ("earlier", f"before {CHECKED_FROM}: tuned on"),
        ("later", f"{CHECKED_FROM} to 2017-08"),
    ):
        share = len(hits[part]) / max(totals[part], 1)
        yield Line(f"malware captures with an alert, {part}", f"{share:.1%}",
                   f"{len(hits[part])} of {totals[part]} captures", months)  # fmt: skip
    for detector, some in sorted(by.items(), key=lambda one: -len(one[1])):
        yield Line(f"  of them by {detector}", str(len(some)), "captures, both parts")


def captures(into: Path, quick: bool, since: str = "") -> Iterator[tuple[str, Tables]]:
    """The views of each malware capture, in order of names, which begin with the month."""
    path = DATA / "mta_suricata_eve.jsonl.zst"
    if not path.is_file():
        raise Skipped("mta_suricata_eve.jsonl.zst is not in ../shared/data/network")
    folder = into / "eve"
    folder.mkdir()
    lines: dict[str, list[str]] = {}
    with _zstd().open(path, "rt", encoding="utf-8") as opened:
        for line in opened:
            lines.setdefault(json.loads(line).get("capture", "?"), []).append(line)
    names = [name for name in sorted(lines) if not since or (name >= since and name[:2] == "20")]
    names = names[:: 8 if quick else 1]
    for number, name in enumerate(names):
        (folder / f"{number}.json").write_text("".join(lines[name]))
    tables = views([folder], into / "eve.labrys")
    cut = _by_source(tables)
    for number, name in enumerate(names):
        yield name, cut.get(f"{number}.json", {})


def _zstd() -> Any:
    try:
        from compression import zstd
    except ImportError:
        from backports import zstd
    return zstd


def _by_source(tables: Tables) -> dict[str, dict[str, pa.Table]]:
    """Views cut by the file that rows come from."""
    made: dict[str, dict[str, pa.Table]] = {}
    for view, rows in tables.items():
        names = np.array([Path(name).name for name in rows["_source"].to_pylist()], dtype=object)
        order = np.argsort(names, kind="stable")
        ordered, edges = names[order], np.flatnonzero(names[order][1:] != names[order][:-1]) + 1
        for part in np.split(np.arange(len(order)), edges):
            if len(part):
                made.setdefault(ordered[part[0]], {})[view] = rows.take(pa.array(order[part]))
    return made


def rita(into: Path) -> Iterator[Line]:
    """The one real beacon in RITA's logs: its rank among all channels of the day."""
    folder = unzipped("rita_zeek_logs.zip", into) / "missing_host"
    tables = views([folder], into / "rita.labrys")
    [made] = [each for each in network_detectors() if each.id == "beacon"]
    rows = sorted(found(tables, made), key=lambda row: -row["confidence"])
    pairs = [(source_of(row), row["entities"][1]["value"]) for row in rows]
    rank = pairs.index(("73.54.23.243", "64.225.56.201")) + 1
    yield Line("rank of the real beacon", str(rank), f"1 day, {len(rows)} channels told, 1 beacon",
               f"RITA 18 to 22; {sum(row['severity_id'] >= 3 for row in rows)} channels are alerts")  # fmt: skip


def tunnels() -> Iterator[Line]:
    """Tunnel captures found, and benign windows told."""
    path = DATA / "dns_tunnel.parquet"
    if not path.is_file():
        raise Skipped("dns_tunnel.parquet is not in ../shared/data/network")
    with duckdb.connect(config={"threads": 1}) as database:
        database.read_parquet(str(path)).create("raw")
        rows = database.sql(_QUESTIONS).to_arrow_table()
        [[windows]] = database.sql(_WINDOWS).fetchall()
        captures = dict(database.sql("SELECT DISTINCT capture, label FROM raw").fetchall())
    [made] = [each for each in network_detectors() if each.id == "dns_tunnel"]
    hits: dict[bool, set[str]] = {True: set(), False: set()}
    for row in found({made.reads: padded(made.reads, rows.to_pylist())}, made):
        if row["severity_id"] >= Severity.MEDIUM:
            capture = next(c for c in captures if source_of(row).startswith(f"{c.lower()}|"))
            hits[captures[capture] == "tunnel"].add(capture)
    total = sum(label == "tunnel" for label in captures.values())
    yield Line("tunnel captures found", f"{len(hits[True])} of {total}", f"{total} captures",
               "the rules on characters and text records were written after these were seen")  # fmt: skip
    yield Line("benign captures with a finding", str(len(hits[False])),
               f"{windows:,} windows of a client, a zone and ten minutes")  # fmt: skip


_QUESTIONS: Final = """SELECT 'r' || row_number() OVER () AS _id, (ts * 1000)::BIGINT AS _time,
capture AS _source, 0::BIGINT AS _offset, 'made' AS _shape, qname AS query_hostname,
capture || '|' || CASE WHEN qr = 0 THEN src ELSE dst END AS src_endpoint_ip,
qtype::VARCHAR AS query_type,
CASE WHEN ancount > 0 THEN repeat('x', greatest(0, len - 60)::INT) END AS answers_rdata FROM raw"""
_WINDOWS: Final = r"""SELECT count(*) FROM (SELECT DISTINCT capture, src, ts::BIGINT // 600,
regexp_extract(lower(qname), '[^.]+\.[^.]+$') FROM raw WHERE label LIKE 'benign%' AND qr = 0)"""


def channels(flows: pa.Table) -> dict[tuple[str, str, int], float]:
    """Points of each channel that the beacon detector looks at."""
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("network_activity", flows)
        rows = database.sql(query("beacon")).to_arrow_table()
    made = {}
    for records in grouped(rows, ("src", "dst", "port")):
        row = records[0]
        points = BASE + sum(signal.weight for signal in judge(row))
        made[row["src"], row["dst"], row["port"]] = points
    return made


def occupancy(flows: pa.Table) -> dict[tuple[str, str, int], tuple[float, float, float]]:
    """Of each channel of the same traffic: calls, hours active, span; nothing of its gaps."""
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("flows", flows)
        rows = database.sql(
            """SELECT src_endpoint_ip, dst_endpoint_ip, dst_endpoint_port, count(*),
            count(DISTINCT _time // 3600000), max(_time) - min(_time) FROM flows
            WHERE _shape = 'zeek.conn' AND dst_endpoint_port NOT IN (53, 67, 123, 138, 1900, 5353)
            GROUP BY ALL HAVING count(*) >= 8"""
        ).fetchall()
    return {(r[0], r[1], r[2]): (r[3], r[4], r[5] / 3.6e6) for r in rows}


@dataclass(frozen=True, slots=True)
class World:
    """Made-up days: what each channel scores, which are beacons (and their jitter), host-days."""

    points: Mapping[tuple[str, str, int], float]
    occupied: Mapping[tuple[str, str, int], tuple[float, float, float]]
    beacons: Mapping[tuple[str, str, int], float]
    days: int


def world(seed: int, polls: tuple[hosts.Poll, ...], ranges: attacks.Implants, copies: int) -> World:
    """Offices of 20 and homes of 6, a day each, with implants in some hosts."""
    points: dict[tuple[str, str, int], float] = {}
    occupied: dict[tuple[str, str, int], tuple[float, float, float]] = {}
    beacons: dict[tuple[str, str, int], float] = {}
    days = 0
    for number in range(2 * copies):
        size, alone = (6, True) if number % 2 else (20, False)
        draw = Random(seed * 1009 + number)
        rows = hosts.day(seed + number, size, polls, alone=alone)
        net = (seed + number) % 200
        for _ in range(2 * size):
            host, jitter = f"10.{net}.0.{20 + draw.randrange(size)}", draw.choice(JITTERS)
            made = list(attacks.beacon(draw, host, ranges, jitter))
            beacons[host, made[0]["dst_endpoint_ip"], made[0]["dst_endpoint_port"]] = jitter
            rows += made
        flows = table(rows)
        points |= channels(flows)
        occupied |= occupancy(flows)
        days += size
    return World(points, occupied, beacons, days)


def beacons(into: Path, quick: bool) -> Iterator[Line]:
    """Made-up beacons among made-up and real persistent channels, beside the occupancy control."""
    copies = 1 if quick else 3
    tuned = world(11, hosts.TUNING, attacks.TUNING, copies)
    tested = world(301, hosts.TEST, attacks.TEST, copies)
    real: dict[tuple[str, str, int], float] = {}
    busy: dict[tuple[str, str, int], tuple[float, float, float]] = {}
    folder = unzipped("benign_hosts/zeek_benign_hosts.zip", into / "again")
    for host in sorted(path for path in folder.iterdir() if path.is_dir()):
        flows = views([host], into / "again" / f"{host.name}.labrys")["network_activity"]
        prefix = f"{host.name}:"
        real |= {(prefix + k[0], k[1], k[2]): v for k, v in channels(flows).items()}
        busy |= {(prefix + k[0], k[1], k[2]): v for k, v in occupancy(flows).items()}
    names = {"147.32.81.167", "147.32.83.234", "192.168.1.109"}
    real = {k: v for k, v in real.items() if k[0].rpartition(":")[2] in names}
    busy = {k: v for k, v in busy.items() if k[0].rpartition(":")[2] in names}
    days = tested.days + 4.17
    on = f"{len(tested.beacons)} simulated beacons; {tested.days} simulated and 4.2 real host-days"
    model = _rate(tested.points, tested.beacons, real, days)
    yield Line("beacons found at 1 false channel a host-day", f"{model[0]:.3f}", on, model[1])
    rank = _control(tuned, tested, busy)
    control = _rate(rank[0], tested.beacons, rank[1], days)
    yield Line("  control that knows only occupancy", f"{control[0]:.3f}", on, control[1])
    ordinary = [v for k, v in tested.points.items() if k not in tested.beacons]
    alert = np.mean([tested.points.get(k, -99) >= 1.0 for k in tested.beacons])
    yield Line("beacons that are an alert", f"{alert:.3f}", on,
               f"{sum(v >= 1.0 for v in ordinary)} simulated and {sum(v >= 1.0 for v in real.values())} real channels, too")  # fmt: skip


def _rate(
    points: Mapping[Any, float], truth: Mapping[Any, float], real: Mapping[Any, float], days: float
) -> tuple[float, str]:
    """TPR at one false channel a host-day, and by jitter."""
    false = sorted(
        (*(v for k, v in points.items() if k not in truth), *real.values()), reverse=True
    )
    least = false[int(days)] if len(false) > days else -98.0
    hit = {key: points.get(key, -99.0) > least for key in truth}
    shares = [
        f"±{j:.0%} {np.mean([hit[k] for k, v in truth.items() if v == j]):.2f}" for j in JITTERS
    ]
    return float(np.mean(list(hit.values()))), ", ".join(shares)


def _control(
    tuned: World, tested: World, busy: Mapping[Any, tuple[float, float, float]]
) -> tuple[dict[Any, float], dict[Any, float]]:
    """Scores of a model of calls, hours and span, trained on the tuning world."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    keys = list(tuned.occupied)
    model = HistGradientBoostingClassifier(random_state=1).fit(
        np.array([tuned.occupied[key] for key in keys]), [key in tuned.beacons for key in keys]
    )

    def rank(of: Mapping[Any, tuple[float, float, float]]) -> dict[Any, float]:
        scores = model.decision_function(np.array(list(of.values())))
        return dict(zip(of, map(float, scores), strict=True))

    return rank(tested.occupied), rank(busy)


def ordinary(quick: bool) -> Iterator[Line]:
    """Alerts of all detectors of flows on simulated ordinary days, with no attack in them."""
    days, told = 0, []
    for number in range(2 if quick else 8):
        size, alone = (6, True) if number % 2 else (20, False)
        rows = table(hosts.day(901 + number, size, hosts.TEST, alone=alone))
        told += alerts({"network_activity": rows})
        days += size
    kinds = ", ".join(sorted({row["title"] for row in told})) or "-"
    yield Line("alerts on ordinary days", f"{len(told)}", f"{days} simulated host-days", kinds)


def intrusions(quick: bool) -> Iterator[Line]:
    """Simulated uploads, moves, mining and scans in offices, beside the work that looks like them."""
    parts = (
        ("test", 7101, hosts.TEST, made_up.TEST),
        ("tuning", 5001, hosts.TUNING, made_up.TUNING),
    )
    for part, seed, polls, ranges in parts:
        tally = Tally()
        for number in range(1 if quick else 2):
            tally.office(seed + number, polls, ranges)
        on = f"{part} ranges, simulated; {tally.days} host-days in {tally.offices} offices"
        for name in made_up.ATTACKS:
            kinds = ", ".join(
                f"{kind} {sum(hits)} of {len(hits)}"
                for (owner, kind), hits in tally.hits.items()
                if owner == name
            )
            blamed, controls = tally.controls[name]
            false = sum(tally.false[name].values())
            yield Line(f"{name}: attacks that are an alert", kinds, on,
                       f"{false / tally.days:.3f} false alerts a host-day; {blamed} of {controls} look-alike hosts blamed")  # fmt: skip


def moves(quick: bool) -> Iterator[Line]:
    """Moves over days among weeks of ordinary administration; who else is told to move."""
    [made] = [each for each in network_detectors() if each.id == "lateral"]
    for part, seed, ranges in (
        ("test", 500, administration.TEST),
        ("tuning", 100, administration.TUNING),
    ):
        hits, movers, days = 0, 0, 0
        blamed, every = Counter[str](), Counter[str]()
        for number in range(2 if quick else 8):
            office = administration.office(seed + number, ranges)
            rows = found({made.reads: table(office.flows)}, made)
            told = {source_of(row) for row in rows if row["severity_id"] >= Severity.MEDIUM}
            hits, movers = hits + len(told & office.movers), movers + len(office.movers)
            days += len(office.kinds) * administration.DAYS
            others = {
                host: kind for host, kind in office.kinds.items() if host not in office.movers
            }
            every.update(others.values())
            blamed.update(kind for host, kind in others.items() if host in told)
        kinds = ", ".join(f"{kind} {blamed[kind]} of {count}" for kind, count in every.items())
        yield Line("moves over days that are an alert", f"{hits} of {movers}",
                   f"{part} ranges, simulated; {days:,} host-days", f"others: {kinds}")  # fmt: skip


@dataclass
class Tally:
    """Of offices with intruders: what was found of each kind, and who else was blamed."""

    offices: int = 0
    days: int = 0

    def __post_init__(self) -> None:
        self.hits: dict[tuple[str, str], list[bool]] = defaultdict(list)
        self.false: dict[str, Counter[str]] = defaultdict(Counter)
        self.controls: dict[str, list[int]] = defaultdict(lambda: [0, 0])

    def office(self, seed: int, polls: tuple[hosts.Poll, ...], ranges: made_up.Ranges) -> None:
        """Five days of 24 hosts: four controls, twelve hosts attacked on the last day."""
        draw, days, size = Random(seed), 5, 24
        # What calls every few seconds is most of the flows and nothing to these detectors.
        calm = tuple(poll for poll in polls if poll.period >= 100)
        rows = hosts.day(seed, size, calm, days=days)
        every = [f"10.{seed % 200}.0.{20 + number}" for number in range(size)]
        free = iter(every)
        guilty: dict[tuple[str, str], str] = {}
        for name, makers in made_up.ATTACKS.items():
            for number in range(3):
                host, maker = next(free), makers[number % len(makers)]
                others = [one for one in every if one != host]
                rows += maker(draw, host, days - 1, ranges, others)
                guilty[name, host] = maker.__name__
        alike: dict[str, list[str]] = defaultdict(list)
        for name, makers in made_up.CONTROLS.items():
            for maker in makers:
                alike[name].append(next(free))
                others = [one for one in every if one != alike[name][-1]]
                rows += maker(draw, alike[name][-1], days, ranges, others)
        self._judge({"network_activity": table(rows)}, guilty, alike)
        self.offices, self.days = self.offices + 1, self.days + days * size

    def _judge(
        self, tables: Tables, guilty: Mapping[tuple[str, str], str], alike: Mapping[str, list[str]]
    ) -> None:
        for made in network_detectors():
            if made.id not in made_up.ATTACKS:
                continue
            rows = [r for r in found(tables, made) if r["severity_id"] >= Severity.MEDIUM]
            blamed = Counter(source_of(row) for row in rows)
            for (name, host), kind in guilty.items():
                if name == made.id:
                    self.hits[name, kind].append(host in blamed)
            for _, host in guilty:  # whoever scans ports of administration may be told to move, too
                blamed.pop(host, None)
            self.false[made.id] += blamed
            self.controls[made.id][0] += sum(host in blamed for host in alike[made.id])
            self.controls[made.id][1] += len(alike[made.id])


def ten_million(quick: bool) -> Iterator[Line]:
    """What the features of each detector of flows cost over ten million flows, on two threads."""
    count = 200_000 if quick else 10_000_000
    with workspace() as folder:
        flows = str(folder / "flows.duckdb")
        with duckdb.connect(flows, config={"threads": 2, "memory_limit": _MEMORY}) as made:
            made.execute("SET enable_progress_bar = false")
            made.execute(_TEN_MILLION.format(count=count, columns=_typed()))
        for detector in network_detectors():
            if detector.reads == "network_activity":
                _, answer = child("network.cost", detector=detector.id, flows=flows)
                on = f"{count:,} flows of 20,000 sources, 2 threads, DuckDB held to {_MEMORY}"
                figure = (
                    f"{answer['wall']:.1f} s ({answer['cpu']:.1f} CPU s), {answer['peak']:.2f} GB"
                )
                yield Line(f"features of {detector.id}", figure, on, f"{answer['rows']} rows")


def cost(detector: str, flows: str) -> dict[str, Any]:
    """Wall seconds, peak resident size (GB) and rows of one detector's features; runs alone."""
    config = {"threads": 2, "memory_limit": _MEMORY}
    with duckdb.connect(flows, read_only=True, config=config) as made:
        made.execute("SET enable_progress_bar = false")
        begun, spent = time.monotonic(), time.process_time()
        rows = made.sql(query(detector)).to_arrow_table()
        wall, cpu = time.monotonic() - begun, time.process_time() - spent
    # What `getrusage` says is the peak of whoever started this process, if that was higher.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e9
    return {"wall": wall, "cpu": cpu, "peak": peak, "rows": rows.num_rows}


_MEMORY: Final = "750MB"
"""Beyond it DuckDB spills; the process itself adds some 200 MB."""
_TEN_MILLION: Final = """CREATE TABLE network_activity AS SELECT {columns} FROM (
SELECT i, hash(i) AS h, hash(i + 7) AS g FROM range({count}) t(i))"""


def _typed() -> str:
    said = {
        "_id": "'f' || i",
        "_time": "(1700000000000 + i * 86400000 * 7 // 10000000)::BIGINT",
        "_source": "'made'",
        "_offset": "i::BIGINT",
        "_shape": "'zeek.conn'",
        "src_endpoint_ip": "'10.' || (h % 20) || '.' || ((h >> 8) % 20) || '.' || ((h >> 16) % 50)",
        # Nine in ten go to one of sixteen destinations that the source calls again and again.
        "dst_endpoint_ip": "CASE WHEN g % 10 < 9 THEN '198.' || ((h % 20) * 10 + g % 4) || '.' || "
        "((h >> 8) % 20) || '.' || (((h >> 16) % 50) * 4 + (g >> 8) % 4) ELSE "
        "(20 + g % 90) || '.' || ((g >> 8) % 250) || '.' || ((g >> 16) % 250) || '.7' END",
        "dst_endpoint_port": "(CASE WHEN g % 5 < 4 THEN 443 ELSE 80 END)::BIGINT",
        "src_endpoint_port": "(40000 + h % 20000)::BIGINT",
        "connection_info_protocol_name": "'tcp'",
        "app_name": "CASE WHEN g % 5 < 4 THEN 'ssl' ELSE 'http' END",
        "duration": "(g % 90000)::BIGINT",
        "traffic_bytes_out": "(g % 9000)::BIGINT",
        "traffic_bytes_in": "(h % 90000)::BIGINT",
        "traffic_packets_out": "(5 + g % 9)::BIGINT",
        "traffic_packets_in": "(h % 50)::BIGINT",
        "status_detail": "'SF'",
    }
    kinds = {"string": "VARCHAR", "int64": "BIGINT", "float64": "DOUBLE"}
    return ", ".join(
        f"{said.get(name, f'NULL::{kinds[kind]}')} AS {name}"
        for name, kind in schema("network_activity").items()
    )


def measured(quick: bool, chosen: list[str]) -> Iterator[tuple[str, list[Line]]]:
    """Each part of the benchmark with its lines; what lacks data says so."""
    with workspace() as into:
        (into / "again").mkdir()
        parts: dict[str, Callable[[], Iterator[Line]]] = {
            "benign": lambda: benign(into),
            "malware": lambda: malware(into, quick),
            "rita": lambda: rita(into),
            "beacons": lambda: beacons(into, quick),
            "ordinary": lambda: ordinary(quick),
            "intrusions": lambda: intrusions(quick),
            "moves": lambda: moves(quick),
            "tunnels": tunnels,
            "cost": lambda: ten_million(quick),
        }
        for name in chosen or parts:
            try:
                yield name, list(parts[name]())
            except Skipped as reason:
                yield name, [Line(name, "skipped", str(reason))]


def main(arguments: list[str]) -> int:
    """Print the figures as a table, or as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench network", description=__doc__)
    names = (
        "benign",
        "malware",
        "rita",
        "beacons",
        "ordinary",
        "intrusions",
        "moves",
        "tunnels",
        "cost",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="small inputs: does it run?")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.names) - set(names)):
        parser.error(f"no part {', '.join(unknown)}")
    results = {}
    for name, lines in measured(asked.quick, asked.names):
        results[name] = [asdict(line) for line in lines]
        print(f"\n{name}", file=sys.stderr if asked.json else sys.stdout)
        for line in lines:
            said = f"  {line.what}: {line.figure}  [{line.on}] {line.note}"
            print(said, file=sys.stderr if asked.json else sys.stdout, flush=True)
    if asked.json:
        print(json.dumps(results, indent=1))
    return 0
