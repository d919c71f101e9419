"""What is done to a few texts is what Arrow does to them."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.detect.mail.letters import _ADDRESS, _APART, _MAILBOX
from labrys.detect.prompt_injection.canon import WAYS
from labrys.detect.prompt_injection.score import _MARKS
from labrys.model import regex

TEXTS = st.lists(
    st.lists(
        st.sampled_from(
            ["http://a.b/c", "www. x", " ", "a@b.co", "a . b", "\n", "漢字", "é", "System:", "</s>",
             "<data x>", "A", "a b c d e f g", "%41", "===", "i", "\x00", "'", "3.4", "-"]
        ) | st.text(max_size=4),
        max_size=12,
    ).map("".join),
    max_size=5,
)  # fmt: skip
REPLACED = [
    (_ADDRESS, " zurl ", (b"http", b"www")), (_MAILBOX, "", (b"@",)), (_APART, r" \1 ", ()), *_MARKS,
]  # fmt: skip
REPLACED = [(pattern, by.replace("$1", r"\1"), hints) for pattern, by, hints in REPLACED]


@pytest.mark.parametrize(("pattern", "by", "hints"), REPLACED)
@settings(max_examples=60, deadline=None)
@given(texts=TEXTS)
def test_replaced_as_arrow_does(pattern, by, hints, texts):
    texts = pa.array(texts, pa.string())
    wanted = pc.replace_substring_regex(texts, pattern, by)
    few = regex._few(texts, pattern, by)
    assert few is None or few.equals(wanted)
    assert regex.replaced(texts, pattern, by).equals(wanted)
    assert regex.replaced(texts, pattern, by, hints).equals(wanted)


@pytest.mark.parametrize("way", WAYS.values())
@settings(max_examples=60, deadline=None)
@given(texts=TEXTS)
def test_matched_as_arrow_does(way, texts):
    texts = pa.array(texts, pa.string())
    wanted = pc.match_substring_regex(texts, way.look, ignore_case=way.any_case)
    assert regex.matched(texts, way.look, ignore_case=way.any_case).equals(wanted)


@pytest.mark.parametrize("pattern", [pattern for pattern, *_ in REPLACED])
@settings(max_examples=60, deadline=None)
@given(texts=TEXTS)
def test_counted_as_arrow_does(pattern, texts):
    texts = pa.array(texts, pa.string())
    assert regex.counted(texts, pattern).equals(pc.count_substring_regex(texts, pattern))


def test_few_are_done_here_and_many_by_arrow():
    assert regex._few(pa.array(["a@b.co"]), _MAILBOX, "!").to_pylist() == ["!"]
    assert regex._few(pa.array(["a@b.co "]).take(pa.array([0] * 900)), _MAILBOX, "!") is None
    assert regex._few(pa.array(["a@b.co " * 900]), _MAILBOX, "!") is None
