"""`labrys hunt` from end to end: SQL over the demo."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from command import CONTROL, here


def test_hunting_in_every_format(case: Path, tmp_path: Path) -> None:
    sql = (
        "SELECT user_name, count(*) AS n FROM authentication WHERE src_endpoint_ip = '203.0.113.66'"
        " GROUP BY 1 ORDER BY n DESC, 1 LIMIT 2"
    )
    wanted = here("hunt", sql, "--lake", case, "-f", "ndjson").lines
    assert wanted[0]["user_name"] == "deploy"
    assert wanted[0]["n"] > 40
    assert json.loads(here("hunt", sql, "--lake", case, "-f", "json").out) == wanted
    lines = here("hunt", sql, "--lake", case, "-f", "csv").text.splitlines()
    assert lines == ["user_name,n", *(f"{row['user_name']},{row['n']}" for row in wanted)]
    table = here("hunt", sql, "--lake", case).text.split()
    assert table[:2] == ["user_name", "n"]
    assert table[-2:] == [wanted[1]["user_name"], str(wanted[1]["n"])]
    out = tmp_path / "rows.parquet"
    assert here("hunt", sql, "--lake", case, "-f", "parquet", "-o", out).out == b""
    assert pq.read_table(out).to_pylist() == wanted


def test_rows_of_many_columns_are_drawn_down_the_page(case: Path) -> None:
    sql = "SELECT * FROM authentication WHERE service_name = 'sshd' ORDER BY _offset LIMIT 2"
    ran = here("hunt", sql, "--lake", case, env={"COLUMNS": "80"})
    assert ran.code == 0
    assert ran.text.splitlines()[0] == "row 1"
    assert "row 2" in ran.text.splitlines()
    assert re.search(r"^  service_name +sshd$", ran.text, re.MULTILINE)


def test_a_long_table_is_cut_and_says_so(case: Path) -> None:
    ran = here("hunt", "SELECT * FROM range(1000)", "--lake", case, "--rows", "5")
    assert "1,000 rows, 5 shown" in ran.err
    assert len(ran.text.split()) == 1 + 1 + 5  # the name, the line below it, the rows
    ran = here("hunt", "SELECT * FROM range(1000)", "--lake", case, "--rows", "0")
    assert (ran.err, len(ran.text.split())) == ("", 1002)


def test_the_schema_explains_itself(case: Path) -> None:
    every = here("hunt", "--explain-schema", "--lake", case, "-f", "ndjson").lines
    assert {"authentication", "process_activity", "linux_sshd"} <= {row["view"] for row in every}
    one = here(
        *("hunt", "--explain-schema", "--view", "authentication", "--lake", case, "-f", "ndjson")
    ).lines
    assert {row["view"] for row in one} == {"authentication"}
    by_column = {row["column"]: row for row in one}
    assert by_column["user_name"]["ocsf"] == "user.name"
    assert "linux.sshd" in by_column["user_name"]["shapes"]
    ran = here("hunt", "--explain-schema", "--view", "authentification", "--lake", case)
    assert (ran.code, "did you mean authentication" in ran.err) == (2, True)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP VIEW authentication",
        "CREATE TABLE mine AS SELECT 1",
        "COPY (SELECT 1) TO 'stolen.csv'",
        "INSERT INTO authentication VALUES (1)",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM 'https://example.com/x.parquet'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "ATTACH 'other.db'",
        "PRAGMA database_list",
        "SET memory_limit = '1TB'",
        "SELECT getenv('HOME')",
        "SELECT 1; SELECT 2",
        "SELECT",
        "not SQL at all \x1b[31m",
    ],
)
def test_a_hunt_only_reads_the_case(sql: str, case: Path, tmp_path: Path) -> None:
    ran = here("hunt", sql, "--lake", case, cwd=tmp_path)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err.startswith("labrys: ")
    assert not CONTROL.search(ran.err)
    assert list(tmp_path.iterdir()) == []


def test_a_hunt_says_what_was_probably_meant(case: Path) -> None:
    ran = here("hunt", "SELECT * FROM proces_activity", "--lake", case)
    assert (ran.code, "did you mean process_activity" in ran.err) == (2, True)
    ran = here("hunt", "SELECT usr_name FROM authentication", "--lake", case)
    assert (ran.code, '"user_name"' in ran.err) == (2, True)


def test_commands_find_the_case_scanned_last_here(case: Path) -> None:
    ran = here("hunt", "SELECT count(*) AS n FROM linux_sshd", "-f", "ndjson", cwd=case.parent)
    assert ran.lines[0]["n"] > 100
