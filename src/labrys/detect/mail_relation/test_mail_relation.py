"""Relations: known from the past only, the same on DuckDB and Spark, and what is told of them."""

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.detect.mail_relation.features import FEW
from labrys.detect.rarity.testing import detector, features, find, table, view
from labrys.detect.testing import check_same, sail, told_by

COLUMNS = {
    "email_from": "string",
    "email_from_mailbox": "string",
    "src_endpoint_domain": "string",
    "email_reply_to": "string",
    "email_to": "string",
    "email_subject": "string",
    "message": "string",
}
DAY = 86_400_000
OWNER = "olivia@brandt.example"
ASKS = (
    "Are you at your desk? I need a quick task handled today, keep this confidential. "
    "Please buy gift cards and send the new bank details for the wire transfer urgently."
)


def mail(day, sender="marta@hartwig.com", name="Marta Kovacs", said="See you on Monday.", **more):
    return {
        "_time": day * DAY,
        "email_from": sender,
        "email_from_mailbox": name,
        "src_endpoint_domain": sender.partition("@")[2],
        "email_to": OWNER,
        "email_subject": "Hello",
        "message": said,
        **more,
    }


def known(count=6):
    return [mail(day) for day in range(1, count + 1)]


def found(events):
    return [row for row in find("mail_relation", events, COLUMNS) if row["time_start"] > 10 * DAY]


def test_a_known_correspondent_may_ask_for_anything():
    assert found([*known(), mail(20, said=ASKS)]) == []


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        (mail(20, "marta77@gmail.com", said=ASKS), "the name is known from another address"),
        (mail(20, "marta@hartw1g.com", said=ASKS), "domain looks like hartwig.com"),
        (mail(20, "m@hartwig-office.com", "M. K.", said=ASKS), "domain looks like hartwig.com"),
        (mail(20, said=ASKS, email_reply_to="marta@other.example"), "answers go where they never went"),
    ],
)  # fmt: skip
def test_who_borrows_from_somebody_known_is_told(attack, reason):
    (row,) = found([*known(), attack])
    assert row["rule_uid"] == "mail_relation.borrowed"
    assert row["techniques"] == ["T1656"]
    assert reason in {one["feature"] for one in row["reasons"]}
    assert row["evidence"][0]["_id"] == "r000006"


def test_a_stranger_with_an_ordinary_message_is_nobody_to_tell():
    assert found([*known(), mail(20, "new@person.example", "New Person")]) == []


def test_a_list_that_writes_in_its_own_name_does_not_change_answers():
    of_list = [
        mail(day, "users@lists.example", f"P{day} via Users", email_to="users@lists.example",
             email_reply_to=f"p{day}@site{day}.example", said=ASKS if day > 15 else "ok")
        for day in range(1, 20)
    ]  # fmt: skip
    told = {one["feature"] for row in found(of_list) for one in row["reasons"]}
    assert "answers go where they never went" not in told


def test_whom_the_owner_wrote_to_is_no_stranger():
    wrote = mail(5, OWNER, "Olivia", email_to="new@person.example")
    rows = features("mail_relation", [wrote, mail(20, "new@person.example", "New")], COLUMNS)
    (row,) = [one for one in rows.to_pylist() if one["sender"] == "new@person.example"]
    assert (row["kind"], row["earlier"], row["written"]) == ("message", 0, 1)


SENDERS = st.sampled_from(["a@x.com", "b@x.com", "a@y.com", OWNER])
MAILS = st.lists(
    st.builds(
        lambda day, sender, name, reply, to: mail(
            day, sender, name, email_reply_to=reply, email_to=to
        ),
        st.integers(1, 9), SENDERS, st.sampled_from(["A", "B", "", None]),
        st.sampled_from(["", None, "z@z.com", "a@x.com"]), SENDERS,
    ),
    max_size=14,
)  # fmt: skip


def plainly(events):
    """The same counts by a loop over the messages in the order of time."""
    made = {}
    order = sorted(range(len(events)), key=lambda at: (events[at]["_time"], at))
    for place, at in enumerate(order):
        one, past = events[at], [events[other] for other in order[:place]]
        # A message that the list sends in its own name is its author's.
        mine = author(one)
        made[f"r{at:06}"] = {
            "earlier": sum(author(p) == mine for p in past),
            "written": sum(p["email_to"] == mine and author(p) != mine for p in past),
        }
    return made


def author(one):
    reply = one["email_reply_to"] or ""
    return reply if one["email_from"] == one["email_to"] and reply else one["email_from"]


@settings(max_examples=25, deadline=None)
@given(MAILS)
def test_counts_are_those_of_a_plain_loop_over_the_past(events):
    wanted = plainly(events)
    for row in features("mail_relation", events, COLUMNS).to_pylist():
        if row["kind"] == "message":
            assert {name: row[name] for name in ("earlier", "written")} == wanted[row["_id"]]


@settings(max_examples=15, deadline=None)
@given(MAILS, MAILS)
def test_the_future_changes_nothing(events, later):
    after = [{**one, "_time": one["_time"] + 100 * DAY} for one in later]

    def messages(rows):
        made = features("mail_relation", rows, COLUMNS).to_pylist()
        kept = [one for one in made if one["kind"] == "message" and one["_time"] < 50 * DAY]
        return sorted(kept, key=lambda one: one["_id"])

    assert messages(events) == messages([*events, *after])


def test_columns_that_a_case_lacks_are_empty():
    few = {name: COLUMNS[name] for name in ("email_from", "email_to")}
    rows = [{name: one[name] for name in ("_time", *few)} for one in known()]
    assert find("mail_relation", rows, few) == []
    assert find("mail_relation", [], COLUMNS) == []


@pytest.mark.sail
def test_spark_connect_gives_the_same_rows(tmp_path):
    events = [
        mail(day % 40 + 1, f"u{day % 7}@d{day % 3}.com", f"N{day % 5}", email_reply_to=reply, email_to=to)
        for day in range(200)
        for reply, to in ((["", None, "z@z.com"][day % 3], [OWNER, "u1@d1.com\x1eu2@d2.com"][day % 2]),)
    ]  # fmt: skip
    made = detector("mail_relation")
    with sail(tmp_path, {made.reads: table(events, COLUMNS)}) as session:
        theirs = told_by(session, made.features(ibis.table(view(COLUMNS), name=made.reads)))
    check_same(theirs, features("mail_relation", events, COLUMNS), FEW)
