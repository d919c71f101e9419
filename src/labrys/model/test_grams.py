"""Runs of bytes: those of a plain loop over the texts, and no others."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.model.grams import by_size, grams

TEXTS = st.lists(st.none() | st.text(max_size=12), max_size=8)


def plainly(text, size, longest):
    raw = (text or "").encode()[:longest]
    return Counter(raw[at : at + size] for at in range(len(raw) - size + 1))


@given(TEXTS, st.sets(st.integers(1, 8), min_size=1, max_size=3), st.integers(1, 20))
def test_runs_are_those_of_a_plain_loop(texts, sizes, longest):
    found = grams(pa.array(texts, pa.string()), sorted(sizes), 40, longest=longest)
    assert found.texts == len(texts)
    for number, text in enumerate(texts):
        mine = Counter(found.bucket[found.text == number].tolist())
        wanted = Counter()
        for size in sizes:
            for run, count in plainly(text, size, longest).items():
                wanted[(size, run)] = count
        # The hash is not said here: what counts is that equal runs are one number, others are not.
        assert sorted(mine.values()) == sorted(wanted.values())


def test_the_same_run_has_the_same_number_in_every_text():
    found = grams(pa.array(["xabcx", None, "abc"]), [3], 20)
    last = found.bucket[found.text == 2]
    assert last.tolist() == [found.bucket[found.text == 0][1]]


def test_sums_means_and_each_once():
    found = grams(pa.array(["aaaa", "", "b"]), [1], 12)
    weights = np.zeros(1 << 12)
    weights[found.bucket[0]] = 2.0
    assert found.total(weights).tolist() == [8.0, 0.0, 0.0]
    assert found.mean(weights).tolist() == [2.0, 0.0, 0.0]
    assert found.once().total(weights).tolist() == [2.0, 0.0, 0.0]


def test_slices_and_wrong_sizes():
    whole = pa.array(["zzz", "abc", "yyy"])
    assert (
        grams(whole.slice(1, 1), [2], 16).bucket.tolist()
        == grams(pa.array(["abc"]), [2], 16).bucket.tolist()
    )
    with pytest.raises(ValueError, match="runs are of 1 to 8"):
        grams(whole, [9], 16)


@given(TEXTS, st.lists(st.integers(1, 8), min_size=1, max_size=3, unique=True))
def test_each_size_for_itself_is_the_same(texts, sizes):
    texts = pa.array(texts, pa.string())
    found = by_size(texts, sizes, 20)
    for size in sizes:
        alone = grams(texts, [size], 20)
        assert found[size].bucket.tolist() == alone.bucket.tolist()
        assert found[size].text.tolist() == alone.text.tolist()
