"""The mail detector: what it reads out of messages, that nothing added helps a bad one, what it says."""

import json
from email.message import EmailMessage
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labrys.detect.mail import hosts, text, train_modern
from labrys.detect.mail.detect import detect
from labrys.detect.mail.features import FEATURES, IDENTITY, NAMES, Seen, matrix
from labrys.detect.mail.kinds import KINDS, kinds
from labrys.detect.mail.letters import folded, undisguised
from labrys.detect.mail.score import TEXTS, model, read, scores
from labrys.detect.mail.train_corpora import manifest
from labrys.detect.mail.train_made import Part, made, message, templates
from labrys.detect.mail.train_rows import read_messages
from labrys.detect.registry import detectors
from labrys.errors import ModelError
from labrys.guard import keys, own
from labrys.model.card import load
from labrys.model.feature import used
from labrys.ocsf.schema import FINDING, Severity

SAMPLES = Path(__file__).parent / "samples"
GOLDEN = Path(__file__).parent / "golden"


def mail(subject="Hello", body="", html="", **headers):
    """One raw message."""
    held = EmailMessage()
    held["From"] = headers.pop("sender", "Ann Example <ann@example.com>")
    held["To"] = headers.pop("to", "bob@home.example")
    held["Subject"] = subject
    for name, value in headers.items():
        held[name.replace("_", "-")] = value
    held.set_content(body)
    if html:
        held.add_alternative(html, subtype="html")
    return held.as_bytes()


def features(*raws):
    """Name → value of each message."""
    rows = matrix(Seen(read_messages(list(raws))))
    return [dict(zip(NAMES, row, strict=True)) for row in rows.tolist()]


# ------------------------------------------------------------------------------------- letters, words


@pytest.mark.parametrize(
    ("written", "looks"),
    [
        ("plain ascii", "plain ascii"),
        ("раураl ассоunt", "paypal account"),
        ("ａｃｃｏｕｎｔ", "account"),
        ("Gebühr für Čeština", "Gebuhr fur Cestina"),
        ("pass\u200bword\u00ad", "password"),
        ("Привет мир", "Привет мир"),
    ],
)
def test_disguised_letters_read_as_they_look(written, looks):
    assert undisguised(written)[0] == looks


def test_addresses_and_numbers_are_one_word_each():
    (low,), disguised = folded(
        pa.array(["Pay 1,200.50 at https://x.example/a?b=c or mail me@x.example, don't wait"])
    )
    assert low.as_py().split() == [
        "pay",
        "0",
        "at",
        "zurl",
        "or",
        "mail",
        "zmail",
        ",",
        "dont",
        "wait",
    ]
    assert disguised.tolist() == [0]


WORDS = st.lists(
    st.sampled_from(
        ["pay", "now", "verify", "your", "account", "thanks", "hello", "list", "of", "the"]
    )
)


@given(st.lists(WORDS, max_size=6))
def test_words_and_pairs_are_those_of_each_text(texts):
    found = text.words(pa.array([" ".join(one) for one in texts], pa.string()))
    pairs = found.pairs()
    for number, words in enumerate(texts):
        mine = found.text == number
        assert [found.spelt(at) for at in np.flatnonzero(mine)] == words
        alone = text.words(pa.array([" ".join(words)]))
        assert found.whole[mine].tolist() == alone.whole.tolist()
        assert pairs[mine].tolist() == alone.pairs().tolist()


@given(st.lists(WORDS, min_size=1, max_size=4), st.integers(1, 5))
def test_topics_are_counted_as_a_plain_loop_counts(texts, longest):
    wanted, topic = text.phrases(["verify", "your account", "pay now"]), np.array([0, 0, 1])
    order = {
        int(text.phrases([one])[0]): at
        for at, one in enumerate(("verify", "your account", "pay now"))
    }
    topic = np.array([0 if order[int(one)] < 2 else 1 for one in wanted])
    found = text.words(pa.array([" ".join(one) for one in texts]))
    counted = text.counted(found, wanted, topic, 2, longest)
    for number, words in enumerate(texts):
        hits = [[], []]
        for at, word in enumerate(words):
            before = words[at - 1] if at else ""
            hits[0].append((word == "verify") + ((before, word) == ("your", "account")))
            hits[1].append(int((before, word) == ("pay", "now")))
        for one in (0, 1):
            most = max(
                (sum(hits[one][max(0, at - longest + 1) : at + 1]) for at in range(len(words))),
                default=0,
            )
            assert counted[number, one] == most


# ----------------------------------------------------------------------------- nothing added helps


@cache
def weights():
    return model().weights


BAD = "verify your account password urgent suspended click "
HAM = "thanks for the patch it applies cleanly to the tree "
# Said once each: what is repeated counts twice at most.
LURE = """dear customer your account has been suspended because unusual activity was found click here to
verify password within twenty four hours or lose access payment failed please update billing details
immediately using secure form below enter card number bank credentials security code confirm identity
final warning winner claim prize free bonus offer expires today act now limited urgent mailbox storage
exceeded upgrade wire transfer invoice overdue refund pending kindly log in restore service """
TALK = """thanks for looking at this patch it applies cleanly on my tree but one test still fails when run
under the old kernel I think we should move that check into its own function and keep behaviour as before
could you also rebase series after merge window closes Monday works well with me otherwise see comments
inline about locking order which seems wrong since commit introduced lately regards hope helps John wrote
another review question driver returns error instead so maybe drop second hunk entirely then resend """


def worst(*texts):
    found = text.words(pa.array(texts, pa.string()))
    return text.windows(text.word_weights(found, weights()), found)[0].tolist()


@settings(deadline=None, max_examples=40)
@given(st.integers(60, 73), st.integers(0, 900), st.integers(0, 900))
@example(60, 900, 900)
@example(60, 20, 20)
@example(60, 28, 30)
def test_text_around_dilutes_little(size, before, behind):
    """However much stands around a message, a window keeps a fifth of its score or nearly: the least
    where a short message and what is around it just fill the small window."""
    lure = " ".join(LURE.split()[:size])
    ham = TALK * 12
    alone, around, talk = worst(lure, f"{ham[: 6 * before]} \n{lure}\n{ham[: 6 * behind]}", ham)
    assert around > alone * 0.18
    assert talk <= 0


def test_what_is_repeated_counts_twice_in_a_window():
    near, far = "password " * 4, "password " * 3 + "x " * 250 + "password"
    found = text.words(pa.array([near, near, far], pa.string()))
    value = text.word_weights(found, np.ones(1 << text.BITS, np.float32))
    # The word, its beginning and, but for the first, the pair; each text begins anew.
    assert value[:4].tolist() == value[4:8].tolist() == [3, 3, 1, 0]
    assert value[8:11].tolist() == [3, 3, 1]
    assert value[-1] == 3


@settings(deadline=None)
@given(st.lists(st.sampled_from((BAD, HAM, "free money list meeting ")), max_size=60))
def test_windows_are_those_of_a_plain_loop(pieces):
    said = "".join(pieces)
    found = text.words(pa.array(["x y", said]))
    value = text.word_weights(found, weights())
    mine = value[found.text == 1]
    wanted = [text.EMPTY]
    for size, step, shrink in text.WINDOWS:
        for begin in range(0, max(len(mine) - size, 0) + step, step):
            part = mine[begin : begin + size]
            if len(part) and (begin == 0 or begin - step + size < len(mine)):
                wanted.append(part.sum() / np.sqrt(len(part) + shrink))
    scores_, first, last = text.windows(value, found)
    assert scores_[1] == pytest.approx(max(wanted))
    assert 0 <= last[1] - first[1] <= text.WINDOWS[0][0]


def test_every_feature_may_be_used():
    assert used(FEATURES) == FEATURES
    assert len(set(NAMES)) == len(NAMES)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_more_of_any_feature_never_lowers_the_margin(data):
    rows = matrix(Seen(read_messages([one.raw for one in made("test", 1)][:20])))
    row = rows[data.draw(st.integers(0, len(rows) - 1))]
    more = row + np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(row), max_size=len(row)))
    )
    margins = model().forest.raw(np.vstack([row, more]))
    assert margins[1] >= margins[0] - 1e-9
    assert (model().coefficients >= 0).all()


# -------------------------------------------------------------------------------------- features


def test_identity_is_what_the_sender_says():
    plain, other, free, brand, itself, hidden = features(
        mail(),
        mail(Reply_To="x@other.example"),
        mail(Reply_To="ceo.office@gmail.com"),
        mail(sender="PayPal Service <info@qx7.example>"),
        mail(sender="bob@home.example"),
        mail(to="undisclosed-recipients:;"),
    )
    assert not any(plain[feature.name] for feature in IDENTITY)
    assert (other["reply_elsewhere"], other["reply_to_free_mail"]) == (1, 0)
    assert (free["reply_elsewhere"], free["reply_to_free_mail"]) == (1, 1)
    assert brand["name_of_brand"] == 1
    assert itself["from_itself"] == 1
    assert hidden["recipients_hidden"] == 1


def test_a_list_that_writes_in_its_own_name_is_not_a_sender_who_hides():
    raw = mail(
        sender="Ann via Users <users@lists.example.org>", to="users@lists.example.org",
        Reply_To="ann@example.com", List_Id="<users.lists.example.org>",
    )  # fmt: skip
    (found,) = features(raw)
    assert (found["reply_elsewhere"], found["from_itself"]) == (0, 0)


def test_without_a_header_nothing_is_known_of_the_sender():
    (found,) = features(b"Subject: x\n\ntext\n")
    assert np.isnan(found["from_free_mail"])
    assert not np.isnan(found["html"])


def test_a_name_that_is_the_recipients_or_an_office_elsewhere():
    own, subject, office, fits, broken = features(
        mail(sender="work.example <x@other.example>", to="bob@work.example"),
        mail("work.example: password of bob@work.example", sender="x@other.example", to="bob@work.example"),
        mail(sender="Billing Department <x@qx7.example>"),
        mail(sender="Acme Support <help@acme.example>"),
        b"From: Winner <nobody@shop,com>\nTo: b@c.example\nSubject: x\n\ny\n",
    )  # fmt: skip
    assert (own["name_of_recipient"], own["subject_of_recipient"]) == (1, 0)
    assert (subject["name_of_recipient"], subject["subject_of_recipient"]) == (0, 1)
    assert (office["name_unlike_domain"], fits["name_unlike_domain"]) == (1, 0)
    assert (broken["from_malformed"], own["from_malformed"]) == (1, 0)
    (nameless,) = features(b"From: Winner\nTo: b@c.example\nSubject: x\n\ny\n")
    assert nameless["from_malformed"] == 1
    assert np.isnan(nameless["from_free_mail"])
    (mine,) = features(mail("work.example", sender="it@work.example", to="bob@work.example"))
    assert mine["subject_of_recipient"] == 0


def test_links_to_the_sender_to_brands_and_to_mailers_are_not_strange():
    known = (
        '<a href="https://www.example.com/a">a</a><a href="https://shop.example.org/b">b</a>'
        '<a href="https://www.facebook.com/x">f</a>'
        '<a href="https://u1.ct.sendgrid.net/ls/click?upn=x">c</a>'
    )
    ordinary, odd = features(
        mail(body="x", html=known, sender="Ann <ann@example.com>"),
        mail(body="x", html=known + '<a href="https://qx7.example/">Your Netflix plan</a>'),
    )
    assert (ordinary["links_strange"], ordinary["text_of_brand"]) == (0, 0)
    assert ordinary["links_elsewhere"] == 3
    assert (odd["links_strange"], odd["text_of_brand"]) == (1, 1)


def test_the_recipients_address_in_the_text():
    there, not_there = features(mail(body="for bob@home.example"), mail(body="for you"))
    assert (there["text_of_recipient"], not_there["text_of_recipient"]) == (1, 0)


def test_links_are_judged_by_where_they_lead():
    html = (
        '<a href="http://203.0.113.5/x">www.paypal.com</a>'
        '<a href="https://bit.ly/abc">here</a>'
        '<a href="https://paypal.com.login-verify.xyz/signin?e=bob@home.example">go</a>'
        '<a href="https://me.weebly.com/">w</a><a href="https://x.example/a.exe">p</a>'
    )
    (found,) = features(mail("Your PayPal account", "x", html))
    for name in (
        "links_to_ip", "links_shortened", "links_odd_ending", "links_sign_in", "links_to_person",
        "links_free_hosting", "links_to_program", "links_brand_elsewhere", "links_elsewhere",
    ):  # fmt: skip
        assert found[name] > 0, name


@pytest.mark.parametrize(
    ("host", "brand"),
    [("paypa1-secure.com", "paypal"), ("microsft.com", "microsoft"), ("paypal.com", ""),
     ("www.paypal.com", ""), ("example.org", ""), ("xn--pypal-4ve.com", "paypal")],
)  # fmt: skip
def test_hosts_that_ape_a_brand(host, brand):
    assert hosts.apes(host) == brand


@given(st.text("abcde", max_size=6), st.text("abcde", max_size=6))
def test_near_is_one_edit(one, other):
    def edits(a, b):
        yield from (a[:i] + c + a[i:] for i in range(len(a) + 1) for c in "abcde")
        yield from (a[:i] + a[i + 1 :] for i in range(len(a)))
        yield from (a[:i] + c + a[i + 1 :] for i in range(len(a)) for c in "abcde")
        yield from (a[:i] + a[i + 1] + a[i] + a[i + 2 :] for i in range(len(a) - 1))

    assert hosts.near(one, other) == (one != other and other in set(edits(one, other)))


# ------------------------------------------------------------------------------------- the detector


def golden(found):
    """What matters in findings, rounded: models of other machines differ in the last digits."""
    return [
        {
            "rule": row["rule_uid"], "title": row["title"], "severity": row["severity_id"],
            "reasons": [[one["feature"], one["value"]] for one in row["reasons"]],
            "entities": sorted(f"{one['role']} {one['type']} {one['value']}" for one in row["entities"]),
        }
        for row in found.to_pylist()
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.eml")), ids=lambda path: path.stem)
def test_samples_are_judged_as_before(path):
    said = golden(detect("mail.message", read_messages([path.read_bytes()])))
    wanted = json.loads((GOLDEN / f"{path.stem}.json").read_text("utf-8"))
    assert said == wanted, json.dumps(said, indent=1, ensure_ascii=False)


def test_bad_mail_made_up_is_found_and_good_is_not():
    several = list(made("test", 4, seed=9))
    table = read_messages([one.raw for one in several])
    found = {row["evidence"][0]["_id"]: row for row in detect("mail.message", table).to_pylist()}
    severity = np.array(
        [found[id_]["severity_id"] if id_ in found else 0 for id_ in table["_id"].to_pylist()]
    )
    bad = np.array([one.bad for one in several])
    assert (severity[bad] > 0).mean() > 0.25
    assert (severity[~bad] > Severity.LOW).mean() < 0.02


def test_other_shapes_empty_tables_and_bare_rows_are_passed_over():
    table = read_messages([mail()])
    assert detect("mail.link", table).num_rows == 0
    assert detect("mail.message", table.slice(0, 0)).num_rows == 0
    bare = table.select(["_id", "_time", "_source", "_offset", "_host"])
    assert detect("mail.message", bare).schema == FINDING


CELLS = st.none() | st.text(max_size=40) | st.sampled_from(
    ["\x1e", "a\x1eb", "https://x\x1e", "9" * 30, "-1", "@", "=?", "\ud800".encode("utf-8", "replace").decode()]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_cells_are_judged_without_failing(data):
    names = data.draw(st.lists(st.sampled_from(COLUMNS), unique=True, max_size=20))
    columns = {name: pa.array([data.draw(CELLS) for _ in range(3)], pa.string()) for name in names}
    table = pa.table(
        {
            "_id": ["a", "b", "c"], "_time": pa.array([1, None, 3], pa.int64()),
            "_source": ["s"] * 3, "_offset": pa.array([0, 1, 2], pa.int64()),
            "_host": pa.array([None] * 3, pa.string()), **columns,
        }
    )  # fmt: skip
    assert detect("mail.message", table).schema == FINDING


COLUMNS = (
    *(
        "from_address",
        "from_domain",
        "from_name",
        "reply_to_address",
        "reply_to_domain",
        "to",
        "cc",
    ),
    *("subject", "text_visible", "text_hidden", "text_alternative", "list_id", "auth_dmarc"),
    *("link_hrefs", "link_hosts", "link_domains", "link_kinds", "link_targets", "link_texts"),
    *("link_target_domains", "link_schemes", "link_shown_domains", "links_mismatched", "html_tags"),
    *("attachment_extensions", "attachment_types", "attachment_names", "attachment_members"),
    *("hidden_length", "zero_width", "attachment_html_signs", "attachment_tricks"),
)


def test_messages_are_judged_each_alone():
    raws = [one.raw for one in made("test", 1)]
    table = read_messages(raws)
    together = scores(Seen(table), model()).margin
    alone = [scores(Seen(table.slice(at, 1)), model()).margin[0] for at in range(0, len(raws), 9)]
    assert together[::9].tolist() == pytest.approx(alone)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (mail("Your account", "Verify your password: https://x.top/login"), "phishing"),
        (mail("Quick task", "Are you at your desk? Buy gift cards, keep this confidential"), "impersonation"),
        (mail("Inheritance", "I am a barrister; the deceased left 4 million US dollars, next of kin"), "scam"),
        (mail("Pills", "Buy viagra and cialis, best price, order now"), "spam"),
    ],
)  # fmt: skip
def test_kinds_are_told_by_what_is_asked(raw, kind):
    (number,) = kinds(matrix(Seen(read_messages([raw])))).tolist()
    assert KINDS[number].id == kind


def test_a_program_in_disguise_needs_no_model():
    held = EmailMessage()
    held["From"], held["To"], held["Subject"] = "a@example.com", "b@example.com", "Photos"
    held.set_content("here they are")
    held.add_attachment(
        b"MZ" + bytes(100), maintype="image", subtype="jpeg", filename="photo.jpg.exe"
    )
    (row,) = detect("mail.message", read_messages([held.as_bytes()])).to_pylist()
    assert row["rule_uid"] == "mail.malware"
    assert row["severity_id"] >= Severity.MEDIUM


# ---------------------------------------------------------------------------------- model and maker


def test_the_card_says_what_the_model_is():
    artefact = load(Path(__file__).parent / "model")
    assert set(artefact.card["text"]) == {*TEXTS, "intercept"}
    limit = artefact.card["thresholds"]
    assert limit["suspicious"] <= limit["likely"] <= limit["sure"]
    corpora = artefact.card["data"]["corpora"]
    assert set(corpora) == {name for name, said in manifest().items() if said["trains"]}
    assert "phishing_pot" not in corpora
    assert all(said["licence"] for said in corpora.values())


def test_a_model_of_other_features_is_refused(tmp_path):
    artefact = load(Path(__file__).parent / "model")
    from labrys.model.card import save

    trees = artefact.files["trees.txt"].replace(b"reply_elsewhere", b"reply_somewhere")
    save(tmp_path, artefact.card, {**artefact.files, "trees.txt": trees})
    with pytest.raises(ModelError, match="of other features"):
        read(load(tmp_path))


def test_templates_for_testing_are_not_for_training():
    train, test = ({one.body for one in templates(part)} for part in ("train", "test"))
    assert not train & test
    parts: tuple[Part, ...] = ("train", "test")
    for part in parts:
        assert {one.bad for one in templates(part)} == {True, False}
    one = templates("test")[0]
    assert message(one, np.random.default_rng(1), "test") == message(
        one, np.random.default_rng(1), "test"
    )


def test_mail_of_today_has_the_same_texts_on_both_sides_and_other_templates_for_testing():
    train, test = train_modern.templates("train"), train_modern.templates("test")
    assert not {one.body for one in train} & {one.body for one in test}
    assert {one.language for one in train} & {one.language for one in test} == {"en"}
    for part in ("train", "test"):
        found = list(train_modern.modern(part, 1))
        again = list(train_modern.modern(part, 1))
        assert [one.raw for one in found] == [one.raw for one in again]
        table = read_messages([one.raw for one in found])
        assert "problems" not in table.column_names
        assert all(table["from_address"].to_pylist())
        said = zip(table["text_visible"].to_pylist(), found, strict=True)
        assert all(text or one.bad for text, one in said)  # impostors may be one picture
        assert sum(one.bad for one in found) * 2 == len(found)


def test_a_real_sender_of_mail_of_today_leads_to_himself():
    draw = [np.random.default_rng(number) for number in range(12)]
    for template in train_modern.templates("test"):
        good = [train_modern.message(template, one, "test", bad=False) for one in draw[:2]]
        for found in features(*good):
            assert found["name_of_brand"] == 0, template
            assert found["links_to_ip"] == 0


def test_a_model_of_the_user_counts_and_a_changed_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    before = {one.id: one.digest for one in _fresh()}
    keys.make("own")
    kept = own.add("mail", Path(__file__).parent / "model", "own")
    after = {one.id: one.digest for one in _fresh()}
    assert {name for name in before if before[name] != after[name]} == {"mail", "mail_relation"}
    model.cache_clear()
    try:
        assert model().version
        (kept.place / "trees.txt").write_text("tree")
        model.cache_clear()
        with pytest.raises(ModelError, match="labrys guard back mail"):
            model()
    finally:
        model.cache_clear()


def _fresh():
    detectors.cache_clear()
    try:
        return detectors()
    finally:
        detectors.cache_clear()
