import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labrys.detect.imitation import brands
from labrys.detect.imitation.domains import distance, lookalike, mistyped
from labrys.detect.imitation.letters import as_read, disguised, disguised_words, folded, skeleton
from labrys.detect.imitation.names import is_person

ANY = st.text(max_size=40) | st.text("aàаеorn1lI\u200bßİ.-@xpay", max_size=20)


@given(ANY)
@example("İstanbul")
def test_a_skeleton_is_as_long_as_its_text_and_its_own_skeleton(text: str) -> None:
    made = skeleton(text)
    assert len(made) == len(text)
    assert skeleton(made) == made


@given(ANY, st.text("abcdeilnorpstwy", min_size=2, max_size=10))
def test_plain_text_is_never_disguised(text: str, word: str) -> None:
    disguised(text, word)
    assert not disguised(folded(text).encode("ascii", "ignore").decode(), word)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("your p\u0430ssword expires", True),  # a Cyrillic letter
        ("your pass\u200bword expires", True),
        (
            "your \U0001d5fd\U0001d5ee\U0001d600\U0001d600\U0001d604\U0001d5fc\U0001d5ff\U0001d5f1",
            True,
        ),
        ("password, p\u0430ssword", True),
        ("your password \u2014 as usual", False),
        ("\u200bpassword\u200b", False),
        ("\u043f\u0430\u0440\u043e\u043b\u044c", False),
    ],
)
def test_disguised_words(text: str, found: bool) -> None:
    assert disguised(text, "password") is found


def test_disguised_words_of_a_text() -> None:
    said = "Your p\u0430ssword, \U0001d5ee\U0001d5f0\U0001d5f0\U0001d5fc\U0001d602\U0001d5fb\U0001d601 and in\u200bvoice; caf\u00e9"
    assert disguised_words(said) == "password\x1eaccount\x1einvoice"
    assert (
        disguised_words(
            "\u043f\u0430\u0440\u043e\u043b\u044c \u0434\u043b\u044f \u0432\u0430\u0441"
        )
        is None
    )
    assert disguised_words("\u200bplain\u200b words") is None
    assert disguised_words("plain") is None
    assert (
        disguised_words("sendingAccountId of a WaIIet") is None
    )  # that is how programs name things


@given(ANY)
def test_disguised_words_are_plain_and_bounded(text: str) -> None:
    found = disguised_words(text * 3)
    assert found is None or (found.isascii() and len(found) <= 65 * 100)


def slow_distance(one: str, other: str) -> int:
    """By definition, without a bound."""
    if not one or not other:
        return len(one) + len(other)
    best = min(
        slow_distance(one[:-1], other) + 1,
        slow_distance(one, other[:-1]) + 1,
        slow_distance(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    )
    if len(one) > 1 and len(other) > 1 and one[-2:] == other[-1] + other[-2]:
        best = min(best, slow_distance(one[:-2], other[:-2]) + 1)
    return best


@given(st.text("abc", max_size=5), st.text("abc", max_size=5), st.integers(0, 3))
def test_the_distance_is_right_up_to_its_bound(one: str, other: str, most: int) -> None:
    assert min(distance(one, other, most), most + 1) == min(slow_distance(one, other), most + 1)


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("example-corp.com", True),  # the same without hyphens
        ("exarnplecorp.com", True),
        ("examplec0rp.com", True),
        ("xn--exmplecorp-3fh.com", True),
        ("examplecrop.com", True),
        ("examplecorps.com", True),
        ("login-examplecorp.net", True),
        ("examplecorp.co", True),
        ("examplecorp.com.evil.test", True),
        ("examplecorp.com", False),
        ("mail.examplecorp.com", False),
        ("sample-shop.com", False),
        ("", False),
        ("com", False),
    ],
)
def test_domains_that_look_like_a_known_one(host: str, is_one: bool) -> None:
    assert lookalike(host, "examplecorp.com") is is_one


@given(ANY, ANY)
def test_nothing_looks_like_itself_and_nothing_raises(host: str, known: str) -> None:
    assert not lookalike(host, host)
    lookalike(host, known)
    as_read(host)
    is_person(host, known)
    mistyped(host[:20], known[:20])


def test_names_of_persons() -> None:
    assert is_person("DOE, Jané (CEO)", "Jane Doe")
    assert is_person("J\u0430ne Doe", "Jane Doe")  # a Cyrillic letter
    assert not is_person("Jane Smith", "Jane Doe")
    assert not is_person("Jane", "Jane")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PayPal Support", "paypal"),
        ("Р\u0430yРаl", "paypal"),
        ("Trust WaIIet", "trust_wallet"),
        ("PayPaI", "paypal"),
        ("Chase Miller", None),
        ("Chase Support", "chase"),
        ("Apple pie", None),
        ("via Netflix and Microsoft Teams", "microsoft\x1enetflix"),
        ("三井住友銀行よりお知らせ", "smbc"),
        ("", None),
    ],
)
def test_brands_named(text: str, found: str | None) -> None:
    assert brands.named(text) == found


@given(st.text("abcdef", min_size=4, max_size=12), st.text("abcdef", min_size=5, max_size=12))
def test_a_slip_is_a_short_distance(label: str, wanted: str) -> None:
    most = 2 if len(wanted) >= 10 else 1
    assert mistyped(label, wanted) == (label != wanted and distance(label, wanted, most) <= most)


@given(st.text("aBI_.&+- \n\x1c\x7f!9", max_size=30) | st.text(max_size=20))
def test_plain_words_are_found_alike_in_ascii_and_not(text: str) -> None:
    words = brands._APART.sub(" ", folded(text)).split()
    assert brands._plain(text) == " ".join(words)


def test_whose_a_domain_is() -> None:
    assert brands.owner("mail.paypal.com") == "paypal"
    assert brands.owner("amazon.co.jp") == "amazon"
    assert brands.owner("amazon.top") is None
    assert brands.owner("sparkasse-musterstadt.de") == "sparkasse"
    assert brands.owner("sparkasse-musterstadt.com") is None
    assert brands.owner("paypal.github.io") is None
    assert brands.owner("") is None


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("paypal-secure.com", "paypal"),
        ("paypa1.com", "paypal"),
        ("xn--pypal-4ve.com", "paypal"),
        ("rnicrosoft.com", "microsoft"),
        ("verifynetflixaccount.com", None),
        ("netflixaccount.com", "netflix"),
        ("paypal-login.web.app", "paypal"),
        ("apple-farm.org", None),
        ("apple-id-verify.com", "apple"),
        ("paypal.com", None),
        ("example.com", None),
    ],
)
def test_brands_imitated(host: str, found: str | None) -> None:
    assert brands.imitated(host) == found


def test_brands_before_another_domain() -> None:
    assert brands.embedded("www.paypal.com.secure.example") == "paypal"
    assert brands.embedded("www.paypal.com") is None
    assert brands.embedded("paypal.shop.example") is None


def test_what_a_domain_is_for() -> None:
    assert brands.kind("gmail.com") == "free mail"
    assert brands.kind("a.web.app") == "free host"
    assert brands.kind("www.example.com") is None


@given(ANY)
def test_brands_never_raise(text: str) -> None:
    for ask in (brands.named, brands.owner, brands.imitated, brands.embedded, brands.kind):
        ask(text)
