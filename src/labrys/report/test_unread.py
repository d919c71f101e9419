from labrys.report.summary import Problem
from labrys.report.unread import grouped, place


def test_one_reason_is_told_once_and_keeps_the_place_of_each() -> None:
    said = (
        "2 × link type 107 is not read (first at offset 24)",
        "link type 107 is not read (first at offset 40)",
        "ends early: the file is cut off at offset 7",
    )
    problems = [Problem(str(number), reason) for number, reason in enumerate(said)]
    made = grouped(problems)
    assert [(group.reason, [each.source for each in group.problems]) for group in made] == [
        ("link type 107 is not read", ["0", "1"]),
        ("ends early: the file is cut off", ["2"]),
    ]
    assert [place(each) for each in problems] == [
        ", 2 × (first at offset 24)",
        " (first at offset 40)",
        " at offset 7",
    ]
