import hashlib
from pathlib import Path

import pytest

from labrys.evidence.records import Source
from labrys.evidence.suricata.read import read, sniff

SHARED = Path(__file__).parents[5] / "shared" / "data" / "network"


@pytest.mark.parametrize(
    ("head", "score"),
    [
        (b'{"timestamp":"2024-03-04T11:04:05+0000","event_type":"flow","src_ip":"::1"}\n', 0.95),
        (b'{"timestamp":"2024-03-04T11:04:05+0000","event_type":"stats","stats":{}}\n{"ti', 0.95),
        (b'{"timestamp":"2024-03-04T11:04:05+0000","event_type":"login","user":"x"}\n', 0.0),
        (b'{"timestamp":1709550245,"event_type":"flow","src_ip":"::1"}\n', 0.0),
        (b'{"eventType":"flow"}\n', 0.0),
        (b"", 0.0),
    ],
)
def test_sniffing(head: bytes, score: float) -> None:
    assert sniff(head, "eve.json") == score


@pytest.mark.shared
def test_real_events_all_read(tmp_path: Path) -> None:
    from labrys.evidence.unpack import open_sources

    path = SHARED / "mta_suricata_eve.jsonl.zst"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    (source,) = open_sources(path, "eve", tmp_path)
    assert isinstance(source, Source)
    data = source.path.read_bytes()
    assert source.digest == hashlib.sha256(data).hexdigest()
    count = 0
    for shape, batch in read(source):
        assert shape.startswith("suricata.")
        assert batch.column("_time").null_count == 0
        count += batch.num_rows
    assert count == data.count(b"\n")
