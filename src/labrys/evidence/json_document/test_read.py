import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from labrys.evidence.json_document.read import carried, read, sniff
from labrys.evidence.records import Source

ITEMS = [
    {"a": number, "text": "some words of weight, and a few more of them"} for number in range(3)
]


def rows(tmp_path: Path, data: bytes) -> list[dict[str, Any]]:
    path = tmp_path / "data"
    path.write_bytes(data)
    source = Source(path, "x", hashlib.sha256(data).hexdigest(), len(data))
    return [
        {key: value for key, value in row.items() if value is not None and key[0] != "_"}
        for _, batch in read(source)
        for row in batch.to_pylist()
    ]


def test_arrays_envelopes_and_single_documents(tmp_path: Path) -> None:
    plain = [{"a": str(item["a"]), "text": item["text"]} for item in ITEMS]
    for indent in (None, 2):
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            assert rows(tmp_path, json.dumps(ITEMS, indent=indent).encode(encoding)) == plain
            envelope = json.dumps({"hits": {"found": ITEMS}}, indent=indent).encode(encoding)
            assert rows(tmp_path, envelope) == plain
            document = json.dumps({"a": {"b": [1, 2]}}, indent=indent).encode(encoding)
            assert rows(tmp_path, document) == [{"a.b": "1\x1e2"}]


@pytest.mark.parametrize(
    "record",
    [
        {"a": 1, "parts": [{"b": 1}, {"b": 2}], "text": "much longer than its two small parts are"},
        {"one": ITEMS, "two": ITEMS},
        {"x": 1, "results": [{**item, "envelope": 1} for item in ITEMS]},
        {"results": ITEMS[:1]},
        {"results": [1, 2, 3]},
        {"results": [*ITEMS, 1]},
        {},
    ],
)
def test_what_is_a_record_itself_stays_one(record: dict[str, Any]) -> None:
    assert carried(record) == [record]


def test_what_surrounds_the_records_is_kept_with_each() -> None:
    found = carried({"page": 1, "body": {"took": 2, "items": ITEMS}})
    assert found == [{**item, "envelope": {"page": 1, "body": {"took": 2}}} for item in ITEMS]


def test_sniffing() -> None:
    for head in (b'{\n  "a": 1', b'[\n {"a"', b"[[", b"{}", "[{".encode("utf-16"), b"[]"):
        assert sniff(head, "x") == 0.2
    for head in (b"", b"[2024-03-04 11:04:05] log", b"{key=value}", b"text", b"[error] x"):
        assert sniff(head, "x.json") == 0.0
