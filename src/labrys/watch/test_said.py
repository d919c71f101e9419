import io
from pathlib import Path
from typing import Any

import pyarrow as pa

from labrys.ocsf.schema import FINDING
from labrys.respond.testing import finding, table
from labrys.watch.said import Told
from labrys.watch.teller import Teller


def test_what_was_told_is_remembered(tmp_path: Path) -> None:
    told = Told(tmp_path)
    assert told.fresh
    assert told.new(["a", "b"]) == {"a", "b"}
    told.mark(["a"])
    told.mark(["a"])
    told.close()
    again = Told(tmp_path)
    assert not again.fresh
    assert again.new(["a", "b"]) == {"b"}


def test_what_was_written_but_not_marked_is_cut_off(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("told\n")
    told = Told(tmp_path)
    told.cut(out)
    assert out.read_text() == "told\n", "somebody else's"
    told.mark(["a"], (str(out), 5))
    out.write_text("told\nhalf a li")
    told.cut(out)
    assert out.read_text() == "told\n"
    out.write_text("x")
    told.cut(out)
    assert out.read_text() == "x"


def test_hostile_text_stays_on_its_line(tmp_path: Path) -> None:
    row = finding("f\n1", ("host", "h\x1b[31m\nx", "device"))
    row["title"] = "two\nlines\u2028and \u202emore"
    output = io.BytesIO()
    teller = Teller(Told(tmp_path), output, None, as_json=False, rows=frozenset())  # type: ignore[arg-type]
    teller.findings(table(row))
    teller.findings(table(row))
    (line,) = output.getvalue().decode().splitlines()
    assert line.isprintable()
    assert teller.findings_told == 1


def test_those_who_react_are_given_what_is_new(tmp_path: Path) -> None:
    given: list[Any] = []
    teller = Teller(
        Told(tmp_path),
        io.BytesIO(),  # type: ignore[arg-type]
        None,
        as_json=True,
        rows=frozenset(),
        react=given.append,
    )
    teller.findings(table(finding("a"), finding("b")))
    teller.findings(table(finding("b"), finding("c")))
    teller.findings(FINDING.empty_table())
    assert [each["uid"].to_pylist() for each in given] == [["a", "b"], ["c"]]
    assert all(isinstance(each, pa.Table) for each in given)
