"""The DNS of real hosts, read, queried and judged as a scan does it.

Who is infected and who is ordinary is said by those who made the logs. In no public capture here does
a bot ask for generated names for long: days of bots are simulated, see `bench.names.dga`.
"""

import gzip
import zipfile
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from bench.data import workspace
from bench.names.show import Shown, found, table
from labrys.detect.dga.features import features
from labrys.detect.dga.score import score
from labrys.evidence.records import Source
from labrys.evidence.registry import SNIFF_BYTES, choose
from labrys.lake.case import Case
from labrys.lake.engine import connect
from labrys.lake.engine import table as view
from labrys.ocsf.schema import Severity

_DNS: Final = ("zeek.dns", "suricata.dns")
_LOGS: Final = (
    ("ordinary: one Ubuntu desktop, two days", "network/benign_hosts/zeek_benign_hosts.zip", "SME"),
    (
        "ordinary: a Windows lab host, a day",
        "network/benign_hosts/zeek_benign_hosts.zip",
        "Normal-42",
    ),
    ("mixed: a lab's infected and ordinary hosts", "network/slips_datasets.zip", "zeek-dir/dns"),
    ("mixed: a staged intrusion (APT29)", "network/otrf_apt29_day1_zeek.zip", "dns"),
    ("unlabelled: a server on the internet", "network/rita_zeek_logs.zip", "missing_host"),
    ("unlabelled: an office behind a proxy", "network/rita_zeek_logs.zip", "proxy"),
)


def run(*, quick: bool) -> None:
    """Print what is found on each set of logs."""
    rows = []
    with workspace() as place:
        for number, (what, archive, part) in enumerate(_LOGS):
            rows.append(_judged(what, _members(archive, part), place / str(number)))
        if not quick:
            malware = found("network/mta_suricata_eve.jsonl.zst")
            plain = pa.input_stream(str(malware), compression="zstd").read()
            lines = b"\n".join(line for line in plain.split(b"\n") if b'"event_type":"dns"' in line)
            rows.append(_judged("infected: malware captures", [("eve.json", lines)], place / "mta"))
            rows.append(_crawl())
    columns = ("logs", "answers and questions", "host-days", "names", "missing", "findings")
    table("DNS of real hosts, by host and day", columns, rows)


def _members(archive: str, part: str) -> Iterator[tuple[str, bytes]]:
    """The DNS logs in an archive."""
    with zipfile.ZipFile(found(archive)) as opened:
        for name in sorted(opened.namelist()):
            if part in name and "dns" in name.rpartition("/")[2]:
                content = opened.read(name)
                yield name, gzip.decompress(content) if name.endswith(".gz") else content


def _judged(what: str, logs: Any, place: Path) -> Shown:
    place.mkdir()
    shapes: dict[str, list[pa.Table]] = {}
    for name, content in logs:
        path = place / name.replace("/", "_")
        path.write_bytes(content)
        reader = choose(content[:SNIFF_BYTES], path.name)
        if reader is None:
            continue
        source = Source(path, name, sha256(content).hexdigest(), len(content), 1_700_000_000_000)
        for shape, batch in reader.read(source):
            if shape in _DNS:
                shapes.setdefault(shape, []).append(pa.Table.from_batches([batch]))
    tables = {
        shape: pa.concat_tables(several, promote_options="default")
        for shape, several in shapes.items()
    }
    with Case.open(place / "case") as case:
        case.commit(tables)
        engine = connect(case, memory="500MB", threads=1)
        rows = engine.arrow(features(view(engine, "dns_activity")))
        engine.close()
    return _shown(what, sum(one.num_rows for one in tables.values()), rows)


def _crawl() -> Shown:
    """A script that visits the sites of a list: more names in an hour than a user in a year."""
    whole = parquet.read_table(found("network/dns_tunnel.parquet"))
    part = whole.filter(pc.equal(whole["label"], "benign_crawl"))
    count = part.num_rows
    answers = pc.and_(pc.equal(part["qr"], 1), pc.greater(part["ancount"], 0))
    columns = {
        "_id": pa.array([f"{number:06}" for number in range(count)]),
        "_time": pc.cast(
            pc.multiply(pc.cast(part["ts"], pa.float64()), 1000), pa.int64(), safe=False
        ),
        "_source": pa.array(["crawl"] * count),
        "_offset": pa.array(range(count), pa.int64()),
        "_shape": pa.array(["made.dns"] * count),
        "_host": part["capture"].cast(pa.string()),
        "query_hostname": part["qname"].cast(pa.string()),
        "rcode_id": pc.if_else(pc.equal(part["qr"], 1), pc.cast(part["rcode"], pa.int64()), None),
        "answers_rdata": pc.if_else(answers, "192.0.2.1", None),
    }
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("dns_activity", pa.table(columns))
        kinds = {
            name: "int64" if name in ("_time", "_offset", "rcode_id") else "string"
            for name in columns
        }
        sql = str(ibis.to_sql(features(ibis.table(kinds, name="dns_activity")), dialect="duckdb"))
        rows = database.sql(sql).to_arrow_table()
    return _shown("ordinary: a crawler of popular sites, 7 runs", count, rows)


def _shown(what: str, count: int, rows: pa.Table) -> Shown:
    findings = score(rows).to_pylist()
    counted = Counter(
        (one["rule_uid"], Severity(one["severity_id"]).name.lower()) for one in findings
    )
    said = ", ".join(f"{count} {rule} {level}" for (rule, level), count in sorted(counted.items()))
    days = len(set(zip(rows["host"].to_pylist(), rows["day"].to_pylist(), strict=True)))
    cells = (
        f"{count:,}",
        f"{days:,}",
        f"{len(set(rows['name'].to_pylist())):,}",
        f"{sum(count > 0 for count in rows['dead'].to_pylist()):,}",
        said or "none",
    )
    return Shown(what, cells)
