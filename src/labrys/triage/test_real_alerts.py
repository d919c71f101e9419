from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labrys.ocsf.schema import FINDING
from labrys.triage import incidents

ALERTS = Path(__file__).resolve().parents[4] / "shared" / "data" / "endpoint"
NETWORKS = ("russellmitchell", "santos", "shaw", "wardbeck")


def findings(table: pa.Table, severity: int) -> pa.Table:
    """Alerts of three tools as findings that say nothing but rule, time, host and address: no
    tactic, no title that means anything, and all the same severity."""
    rows = []
    for number, row in enumerate(table.to_pylist()):
        named = (("host", row["host"], "device"), ("ip", row["ip"], "source"))
        entities = [
            {"type": kind, "value": value, "role": role}
            for kind, value, role in named
            if value and value != "None"
        ]
        rows.append(
            {
                "uid": f"{number:08}",
                "rule_uid": row["name"],
                "title": row["name"],
                "severity_id": severity,
                "confidence": 50,
                "time_start": row["time"] * 1000,
                "time_end": row["time"] * 1000,
                "entities": entities,
            }
        )
    return pa.Table.from_pylist(rows, schema=FINDING)


@pytest.mark.shared
@pytest.mark.parametrize("network", NETWORKS)
def test_the_attack_is_one_incident_and_the_first(network: str) -> None:
    path = ALERTS / f"alerts_ait_{network}.parquet"
    if not path.is_file():
        pytest.skip("the alert data sets are not beside this checkout")
    table = pq.read_table(path)
    made = incidents(findings(table, 3))
    labels = table["event_label"].to_pylist()
    # The theft of data by DNS goes on for days before and after, from another host: not counted.
    attack = Counter(label for label in labels if label not in ("-", "dnsteal"))
    first = made.incidents["findings"].to_pylist()[0]
    caught = Counter(label for uid in first if (label := labels[int(uid)]) != "-")
    assert len(caught) >= 5
    assert sum(caught.values()) >= 0.9 * sum(attack.values())
    assert sum(labels[int(uid)] == "-" for uid in first) <= 0.05 * len(first)
    assert sum(level >= 3 for level in made.incidents["severity_id"].to_pylist()) <= 110
    assert made.incidents.num_rows <= 150


@pytest.mark.shared
@pytest.mark.parametrize("network", NETWORKS)
def test_weak_alerts_are_one_incident_for_being_unusual(network: str) -> None:
    path = ALERTS / f"alerts_ait_{network}.parquet"
    if not path.is_file():
        pytest.skip("the alert data sets are not beside this checkout")
    table = pq.read_table(path)
    made = incidents(findings(table, 2))
    phases, labels = table["time_label"].to_pylist(), table["event_label"].to_pylist()
    first = [int(uid) for uid in made.incidents["findings"].to_pylist()[0]]
    assert len({phases[at] for at in first} - {"false_positive"}) >= 8
    steps = sum(label not in ("-", "dnsteal") for label in labels)
    assert sum(labels[at] not in ("-", "dnsteal") for at in first) >= 0.99 * steps
    assert sum(labels[at] == "-" for at in first) <= 0.1 * len(first)
    # Each of them spans four days and more.
    assert made.incidents.num_rows + made.folded.num_rows <= 8
