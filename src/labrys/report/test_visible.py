import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from labrys.report.testing import HOSTILE
from labrys.report.visible import ending, iso, visible, when

text = st.one_of(st.text(), st.sampled_from(HOSTILE))


@given(text)
def test_nothing_hidden_is_left(raw: str) -> None:
    for character in visible(raw):
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"), hex(
            ord(character)
        )
    visible(raw).encode()


@given(text, st.integers(1, 50))
def test_length_is_of_the_text_before_it_is_spelled_out(raw: str, length: int) -> None:
    assert len(visible("a" * 100 + raw, length)) == length


def test_what_is_written_out() -> None:
    assert visible("a\x1b[0m\u202eb\n\x1ec") == "a\\x1b[0m\\u{202e}b\\n · c"
    assert visible("Grüße, 世界 ✓") == "Grüße, 世界 ✓"


@given(st.one_of(st.none(), st.integers()))
def test_any_time_can_be_shown(time: int | None) -> None:
    assert isinstance(when(time), str)
    assert isinstance(iso(time), str)


def test_times() -> None:
    assert when(1_772_614_353_123) == "2026-03-04 08:52:33"
    assert when(1_772_614_353_123, seconds=False) == "2026-03-04 08:52"
    assert iso(1_772_614_353_123) == "2026-03-04T08:52:33.123Z"
    assert iso(-11_644_473_600_000) == "1601-01-01T00:00:00.000Z"
    assert iso(None) == iso(1 << 62) == ""


@given(text, st.integers(2, 50))
def test_of_a_long_path_the_end_is_shown(raw: str, length: int) -> None:
    assert ending("case/" + "a" * 100 + "b.log", 6) == "…b.log"
    assert ending("b.log", 6) == "b.log"
    assert ending(raw, length) == visible(ending(raw, length))
