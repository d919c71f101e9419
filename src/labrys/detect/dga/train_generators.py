"""Makes up generated names to learn from: kinds of algorithms, each with parameters of its own.

Kinds are those that the literature lists (Plohmann et al., A Comprehensive Measurement Study of
Domain Generating Malware, 2016: arithmetic, hash, wordlist, permutation); none is a copy of malware.
`generators(seed, words)` draws parameters from the seed, so that other seeds and other words make
other families: training and tests never share one.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

Draw = np.random.Generator
Make = Callable[[Draw], str]

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = "0123456789"
_VOWELS: Final = "aeiou"
_CONSONANTS: Final = "bcdfghjklmnpqrstvwxz"
_BASE32: Final = _LETTERS + "234567"


@dataclass(frozen=True, slots=True)
class Family:
    """One made-up family: what kind it is, and how it makes a label."""

    kind: str
    number: int
    make: Make


def _text(
    draw: Draw, alphabet: str, low: int, high: int, odds: Sequence[float] | None = None
) -> str:
    size = int(draw.integers(low, high + 1))
    return "".join(alphabet[n] for n in draw.choice(len(alphabet), size, p=odds))


def _sizes(draw: Draw, low: int, high: int, spread: int) -> tuple[int, int]:
    least = int(draw.integers(low, high + 1))
    return least, least + int(draw.integers(0, spread + 1))


def _letters(draw: Draw, _: Sequence[str]) -> Make:
    low, high = _sizes(draw, 6, 26, 8)
    return lambda each: _text(each, _LETTERS, low, high)


def _few_letters(draw: Draw, _: Sequence[str]) -> Make:
    alphabet = "".join(draw.permutation(list(_LETTERS))[: int(draw.integers(8, 25))])
    low, high = _sizes(draw, 6, 22, 6)
    return lambda each: _text(each, alphabet, low, high)


def _skewed(draw: Draw, _: Sequence[str]) -> Make:
    odds = draw.dirichlet(np.full(26, 0.6))
    low, high = _sizes(draw, 7, 20, 6)
    return lambda each: _text(each, _LETTERS, low, high, list(odds))


def _mixed(draw: Draw, _: Sequence[str]) -> Make:
    alphabet = _LETTERS + (_DIGITS if draw.random() < 0.6 else _DIGITS[: int(draw.integers(2, 9))])
    low, high = _sizes(draw, 7, 28, 8)
    return lambda each: _text(each, alphabet, low, high)


def _hash(draw: Draw, _: Sequence[str]) -> Make:
    size, seed = int(draw.integers(7, 33)), str(draw.integers(1 << 40))
    method = ("md5", "sha1", "sha256")[int(draw.integers(3))]

    def make(each: Draw) -> str:
        text = f"{seed}:{each.integers(1 << 40)}".encode()
        return hashlib.new(method, text, usedforsecurity=False).hexdigest()[:size]

    return make


def _base32(draw: Draw, _: Sequence[str]) -> Make:
    low, high = _sizes(draw, 8, 30, 2)
    return lambda each: _text(each, _BASE32, low, high)


def _syllables(draw: Draw, _: Sequence[str]) -> Make:
    consonants = draw.permutation(list(_CONSONANTS))[: int(draw.integers(8, 21))]
    vowels = draw.permutation(list(_VOWELS + "y"))[: int(draw.integers(3, 7))]
    low, high = _sizes(draw, 3, 6, 2)
    closed, first = draw.random() * 0.6, bool(draw.random() < 0.3)

    def make(each: Draw) -> str:
        parts = []
        for _ in range(int(each.integers(low, high + 1))):
            pair = each.choice(consonants) + each.choice(vowels)
            parts.append(pair[::-1] if first else pair)
            if each.random() < closed:
                parts.append(str(each.choice(consonants)))
        return "".join(parts)

    return make


def _alternating(draw: Draw, _: Sequence[str]) -> Make:
    low, high = _sizes(draw, 5, 12, 4)
    share = float(draw.uniform(0.25, 0.65))

    def make(each: Draw) -> str:
        size = int(each.integers(low, high + 1))
        vowel = each.random(size) < share
        return "".join(str(each.choice(list(_VOWELS if one else _CONSONANTS))) for one in vowel)

    return make


def _arithmetic(draw: Draw, _: Sequence[str]) -> Make:
    """A linear congruence taken modulo a few letters: its letters are not independent."""
    factor, step = int(draw.integers(3, 1 << 20)) | 1, int(draw.integers(1, 1 << 20)) | 1
    modulus, base = int(draw.integers(1 << 16, 1 << 31)), int(draw.integers(17, 27))
    low, high = _sizes(draw, 6, 18, 6)

    def make(each: Draw) -> str:
        state, made = int(each.integers(modulus)), []
        for _ in range(int(each.integers(low, high + 1))):
            state = (state * factor + step) % modulus
            made.append(_LETTERS[(state >> 4) % base])
        return "".join(made)

    return make


def _permuted(draw: Draw, words: Sequence[str]) -> Make:
    stem = "".join(str(word) for word in draw.choice(words, int(draw.integers(2, 4))))
    size = int(draw.integers(3, 6))
    return lambda each: _text(each, _LETTERS, size, size) + stem[size:]


def _word_and_noise(draw: Draw, words: Sequence[str]) -> Make:
    low, high = _sizes(draw, 4, 9, 3)
    alphabet = _LETTERS if draw.random() < 0.6 else _LETTERS + _DIGITS
    before = bool(draw.random() < 0.5)

    def make(each: Draw) -> str:
        word, noise = str(each.choice(words)), _text(each, alphabet, low, high)
        return noise + word if before else word + noise

    return make


def _word_list(draw: Draw, words: Sequence[str]) -> Make:
    """Two or three words of a list of a family's own."""
    chosen = draw.choice(words, min(len(words), int(draw.integers(80, 800))), replace=False)
    least, between = int(draw.integers(2, 4)), "-" if draw.random() < 0.15 else ""

    def make(each: Draw) -> str:
        return between.join(str(word) for word in each.choice(chosen, least))

    return make


KINDS: Final = {
    "letters": _letters,
    "few letters": _few_letters,
    "skewed letters": _skewed,
    "letters and digits": _mixed,
    "hash": _hash,
    "base32": _base32,
    "syllables": _syllables,
    "vowels and consonants": _alternating,
    "arithmetic": _arithmetic,
    "permuted": _permuted,
    "word and noise": _word_and_noise,
    "word list": _word_list,
}
WORD_LISTS: Final = ("word list",)


def generators(seed: int, words: Sequence[str], each: int) -> Iterator[Family]:
    """`each` families of every kind, with parameters drawn from the seed."""
    for at, (kind, made) in enumerate(KINDS.items()):
        for number in range(each):
            draw = np.random.default_rng([seed, at, number])
            yield Family(kind, number, made(draw, words))


def labels(family: Family, seed: int, count: int) -> list[str]:
    """Different labels of a family, at most `count`."""
    draw = np.random.default_rng([seed, 1 + sum(family.kind.encode()), family.number])
    return list(dict.fromkeys(family.make(draw)[:63] for _ in range(count)))
