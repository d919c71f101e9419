from labrys.report import Problem, SourceRead, Summary, verdict


def test_nothing_found_is_no_proof() -> None:
    assert "no proof of absence" in verdict(Summary(), 0)
    assert verdict(Summary(), 1) == "1 incident found."


def test_what_was_not_read_is_said() -> None:
    summary = Summary(
        sources=(SourceRead("a", "evtx", 1, 5, 2), SourceRead("b")),
        problems=(Problem("b", "no known format"),),
        shapes={"x": 5, "unparsed": 2},
    )
    assert summary.inconclusive
    assert summary.records == 5
    assert summary.unparsed == 2
    assert verdict(summary, 0) == (
        "No incident found, but the result is inconclusive: 2 records could not be read; "
        "1 file of no known format; 1 problem met. That part is unknown, not clean."
    )
