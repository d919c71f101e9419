"""What whoever writes a generator may do to stay unseen, and what it costs him.

A change keeps the attack an attack if bot and master still agree on names nobody else holds. Cost 0
is a line of code; 1 makes names that others hold already or that are easily guessed; 2 gives up
what the generator is for (many names, none of them worth seizing).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

Draw = np.random.Generator
Rewrite = Callable[[Sequence[str], Draw], list[str]]

_VOWELS: Final = "aeiou"
_CONSONANTS: Final = "bcdfghlmnprst"
_WORDS: Final = (
    *("home", "cloud", "green", "shop", "media", "world", "travel", "health", "smart", "group"),
    *("market", "design", "house", "media", "global", "light", "power", "music", "photo", "garden"),
    *("happy", "direct", "express", "service", "center", "online", "store", "network", "family"),
)


def _pronounceable(names: Sequence[str], draw: Draw) -> list[str]:
    return [
        "".join(
            str(draw.choice(list(_CONSONANTS if at % 2 == 0 else _VOWELS)))
            for at in range(max(6, len(name)))
        )
        for name in names
    ]


def _shorter(names: Sequence[str], _: Draw) -> list[str]:
    return [name[:6] for name in names]


def _words(names: Sequence[str], draw: Draw) -> list[str]:
    return ["".join(map(str, draw.choice(_WORDS, 2))) + name[:2] for name in names]


def _word_before(names: Sequence[str], draw: Draw) -> list[str]:
    return [f"{draw.choice(_WORDS)}{name[:6]}" for name in names]


def _hyphen(names: Sequence[str], _: Draw) -> list[str]:
    return [f"{name[: len(name) // 2]}-{name[len(name) // 2 :]}" for name in names]


def _common_letters(names: Sequence[str], _: Draw) -> list[str]:
    common = str.maketrans("jkqvwxyz", "aeionrst")
    return [name.translate(common) for name in names]


def _more_words(names: Sequence[str], draw: Draw) -> list[str]:
    return [*names, *(f"{draw.choice(_WORDS)}{draw.choice(_WORDS)}" for _ in range(10))]


def _more_mistyped(names: Sequence[str], draw: Draw) -> list[str]:
    made = []
    for _ in range(10):
        word = str(draw.choice(_WORDS))
        at = int(draw.integers(len(word)))
        made.append(word[:at] + word[at + 1 :] + str(draw.choice(_WORDS))[:3])
    return [*names, *made]


def _in_front(names: Sequence[str], draw: Draw) -> list[str]:
    return [*(f"{draw.choice(_WORDS)}-{draw.choice(_WORDS)}" for _ in range(5)), *names]


def _few(names: Sequence[str], _: Draw) -> list[str]:
    return list(names[:2])


MUTATIONS: Final[Mapping[str, Rewrite]] = {
    "pronounceable": _pronounceable,
    "hyphen": _hyphen,
    "common letters": _common_letters,
    "a word before": _word_before,
    "six letters": _shorter,
    "two words": _words,
    "two names a day": _few,
}
COST: Final[Mapping[str, int]] = {
    **dict.fromkeys(("pronounceable", "hyphen", "common letters", "a word before"), 0),
    **dict.fromkeys(("six letters", "two words"), 1),
    "two names a day": 2,
}

ADD_ONLY: Final[Mapping[str, Rewrite]] = {
    "names of words as well": _more_words,
    "mistyped names as well": _more_mistyped,
    "names of words before": _in_front,
}
"""What only adds: none of it may ever lower a score (`tests/test_add_only.py`)."""
