import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.netflow.read import read, sniff
from labrys.evidence.netflow.samples import make
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLES = sorted(
    path for path in (HERE / "samples").iterdir() if path.suffix != ".py" and path.is_file()
)


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


def rows_of(tmp_path: Path, data: bytes) -> list[dict[str, Any]]:
    path = tmp_path / "data"
    path.write_bytes(data)
    return rows(path)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_are_as_made(path: Path) -> None:
    assert path.read_bytes() == make.SAMPLES[path.name]()


def test_uptimes_are_taken_from_the_message(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, make.v5(make.v5_record("192.0.2.1", "192.0.2.2", (1, 2), 3, 4)))
    assert row["_time"] == make.SENT * 1000 + 500 - 9_000
    assert (row["duration"], row["proto"], row["tcp_flags"]) == ("1.000000", "tcp", "FSPA")
    assert (row["sourceIPv4Address"], row["destinationTransportPort"]) == ("192.0.2.1", "2")


def test_a_template_may_change_and_be_taken_back(tmp_path: Path) -> None:
    def message(fields: tuple[tuple[int, int], ...], data: bytes) -> bytes:
        return make.ipfix(make.flowset(2, make.template(256, fields)), make.flowset(256, data))

    data = message(((1, 4),), b"\0\0\0\1") + message(((2, 4),), b"\0\0\0\2")
    data += make.ipfix(make.flowset(2, make.template(256, ())), make.flowset(256, bytes(4)))
    found = rows_of(tmp_path, data)
    assert [row.get("octetDeltaCount") for row in found[:2]] == ["1", None]
    assert found[1]["packetDeltaCount"] == "2"
    assert found[2]["reason"] == "data whose template was not seen"


def test_many_messages_of_one_kind_are_read_together(tmp_path: Path) -> None:
    one = make.v5(*[make.v5_record("192.0.2.1", "192.0.2.2", (n, 2), 3, 4) for n in range(30)])
    found = rows_of(tmp_path, one * 200)
    assert len(found) == 6_000
    assert {row["_offset"] for row in found} == {
        at * len(one) + 24 + 48 * n for at in range(200) for n in range(30)
    }


def test_what_is_no_message_is_not_ours() -> None:
    assert sniff(b"\0\5\0\x01" + bytes(200), "x") == 0.0
    assert sniff(b"\0\x0a\0\x10" + bytes(12), "x") == 0.0
    assert sniff(b"", "x") == 0.0


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([make.routers(), make.probe()]), st.integers(0, 1 << 32))
def test_mutated_messages_never_raise_and_read_the_same_twice(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, seed: int
) -> None:
    chance = random.Random(seed)
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 20)):
        at = chance.randrange(len(changed))
        if chance.random() < 0.3:
            del changed[at : at + chance.randrange(30)]
        elif chance.random() < 0.3:
            changed[at:at] = changed[chance.randrange(len(changed)) :][: chance.randrange(90)]
        else:
            changed[at] = chance.choice((0, 1, 255, chance.randrange(256)))
        if not changed:
            return
    path = tmp_path_factory.getbasetemp() / "mutated.nf"
    path.write_bytes(bytes(changed))
    found = rows(path)
    assert found == rows(path)
    assert len({row["_id"] for row in found}) == len(found)
    assert all(0 <= row["_offset"] <= len(changed) for row in found)
