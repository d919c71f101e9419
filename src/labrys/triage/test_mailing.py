from labrys.triage import incidents
from labrys.triage.testing import MACRO, finding, table


def test_copies_of_one_message_are_one_incident_whoever_sent_and_got_them() -> None:
    copies = [
        finding(
            MACRO,
            1_794_900_000_000 + n * 3_600_000,
            [
                ("user", f"sender{n}@odd{n}.example", "source"),
                ("user", f"person{n}@corp{n}.example", "destination"),
                ("campaign", "4f3a9c0d11aa22bb", "object"),
                ("campaign", f"4f3a9c0d11aa{n:04}", "object"),
            ],
        )
        for n in range(30)
    ]
    made = incidents(table(copies)).incidents.to_pylist()
    assert [len(one["findings"]) for one in made] == [30]
    assert "same mailing" in made[0]["links"][1]
    assert "campaign" not in {one["type"] for one in made[0]["entities"]}
