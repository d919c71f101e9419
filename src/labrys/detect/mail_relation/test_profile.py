"""A profile counts as `features` does, forgets in bounds, and cannot be flooded."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.detect.mail_relation import profile
from labrys.detect.mail_relation.features import FEW
from labrys.detect.mail_relation.profile import Profile
from labrys.detect.mail_relation.score import _like, relations, skeleton
from labrys.detect.mail_relation.seen import DAY, Mail
from labrys.detect.mail_relation.test_mail_relation import COLUMNS, OWNER
from labrys.detect.mail_relation.test_mail_relation import mail as made
from labrys.detect.rarity.testing import features

_VIEW = {
    "email_from": "from_address", "email_from_mailbox": "from_name", "email_to": "to",
    "email_reply_to": "reply_to_address", "src_endpoint_domain": "from_domain",
    "email_subject": "subject", "message": "text_visible",
}  # fmt: skip
_KEY = b"k" * 32


def of(event):
    return Mail.of({_VIEW[name]: value for name, value in event.items() if name in _VIEW})


def run(events, **bounds):
    """The profile after the events, what came before each, and those that must be judged."""
    held, rows, broken = Profile(_KEY, **bounds), {}, set()
    for at, event in enumerate(events):
        asked = (of(event), f"r{at:06}", event["_time"])
        rows[f"r{at:06}"] = held.row(*asked)
        if held.broken(*asked):
            broken.add(f"r{at:06}")
        held.learn(of(event), event["_time"], wrote_to=True)
    return held, rows, broken


def marta(day, address="marta@hartwig.com", name="Marta Kovacs", **more):
    return made(day, address, name, **more)


SENDERS = st.sampled_from(["a@x.com", "B@x.com", "a@y.com", OWNER, ""])
EVENTS = st.lists(
    st.builds(
        lambda sender, name, reply, to: (sender, name, reply, to),
        SENDERS, st.sampled_from(["A", " b ", "", None, "a@x.com"]),
        st.sampled_from(["", None, "z@Z.com", "a@x.com"]), SENDERS,
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(EVENTS)
def test_counts_are_those_of_a_scan(drawn):
    events = [
        made(day + 1, sender, name, email_reply_to=reply, email_to=to)
        for day, (sender, name, reply, to) in enumerate(drawn)
    ]
    _, rows, broken = run(events)
    table = features("mail_relation", events, COLUMNS)
    names = ("sender", "domain", "name", "reply", "recipient", "earlier", "written")
    names += ("domain_earlier", "name_earlier", "pair_earlier", "reply_earlier")
    for row in table.to_pylist():
        # Messages without a domain are of one domain for a scan, of none here.
        if row["kind"] == "message" and row["domain"]:
            found = rows[row["_id"]]
            assert {name: found[name] for name in names} == {name: row[name] for name in names}
    messages = table.filter(pc.equal(table["kind"], "message"))
    if messages.num_rows:
        odd = relations(messages, table.filter(pc.equal(table["kind"], "domain")))
        must = odd.unasked | odd.borrowed | odd.answers | np.array([bool(x) for x in odd.alike])
        assert set(messages.filter(pa.array(must))["_id"].to_pylist()) <= broken


LABELS = st.text("abcl1o0rnvm-", min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(st.lists(LABELS, max_size=8), LABELS)
def test_all_that_may_look_alike_is_asked(known, label):
    shapes = profile._Shapes()
    for one in known:
        shapes.add(f"{one}.com")
    mine = f"{label}.org"
    wanted = {f"{one}.com" for one in known if _like(skeleton(mine), skeleton(f"{one}.com"))}
    assert wanted <= set(shapes.alike(mine))
    for one in known:
        shapes.drop(f"{one}.com")
    assert not shapes._by_key


def test_a_flood_makes_nobody_known():
    flood = [{**marta(1, "eve@evil.example"), "_time": DAY + at} for at in range(500)]
    held, _, _ = run([*flood, *(marta(day) for day in range(2, 8))])
    # Marta is known; who flooded with her name is not.
    (row, *_) = held.broken(of(marta(9, "eve@evil.example")), "x", 9 * DAY)
    assert (row["name_earlier"], row["pair_earlier"], row["earlier"]) == (6 + 1, 1, 1)
    assert row["name_earlier"] - row["pair_earlier"] >= FEW > row["pair_earlier"]
    assert not held._shapes.alike("ev1l.example")


def test_a_flood_of_strangers_does_not_make_a_known_one_forgotten():
    events = [marta(day) for day in range(1, 6)]
    events += [made(6, f"u{n}@d{n}.example", f"N{n}") for n in range(300)]
    held, _, _ = run(events, most=40, most_domains=10)
    assert len(held._people._new) <= 40
    assert len(held._domains._new) <= 10
    (row, *_) = held.broken(of(marta(7, "m@hartw1g.com")), "x", 7 * DAY)
    assert row["name_earlier"] == 5
    assert held._shapes.alike("hartw1g.com") == ["hartwig.com"]
    # The least recent of the known is forgotten, also as something to look like.
    for n in range(11):
        for day in range(10, 13):
            held.learn(of(made(day, f"a@known{n}.example", "A")), day * DAY, wrote_to=False)
    assert not held._shapes.alike("hartw1g.com")


def test_learning_the_same_again_changes_nothing():
    events = [marta(day) for day in range(1, 6)]
    held, _, _ = run(events)
    held.taken()
    for event in events:
        held.learn(of(event), event["_time"], wrote_to=True)
    assert held.taken() == {}


def test_what_was_stored_is_the_same_profile():
    held, _, _ = run([marta(day, email_reply_to=f"r{day}@z.com") for day in range(1, 6)])
    stored = {name: seen for name, seen in held.taken().items() if seen}
    back = Profile(_KEY)
    back.restore(iter(stored.items()))
    asked = of(marta(9, "eve@hartw1g.com"))
    assert back.broken(asked, "x", 9 * DAY) == held.broken(asked, "x", 9 * DAY)
    assert back.taken() == {}
    text = repr(stored)
    assert "marta" not in text
    assert "hartwig.com" in text
    other = Profile(b"o" * 32)
    other.restore(iter(stored.items()))
    assert other.broken(asked, "x", 9 * DAY)[0]["name_earlier"] == 0


def test_what_is_no_mail_of_anybody_teaches_nothing():
    held = Profile(_KEY)
    held.learn(Mail.of({}), DAY, wrote_to=True)
    assert held.taken() == {}
    assert held.broken(Mail.of({}), "x", DAY) == []
