"""Keys that near copies of one message share, so that a mailing in 400 copies can be told as one.

Of the text: minima of hashes of three words in a row, in bins (one permutation hashing: Li, Owen,
Zhang 2012), of which each four make a key: texts that have nine of ten such triples in common share
at least one of the four keys nearly always, those with three of ten hardly ever. Numbers and
addresses of the web do not count. Of the rest: the content of attachments that are no pictures.
"""

import re
from hashlib import blake2b
from typing import Any, Final
from zlib import crc32

import numpy as np

_READ: Final = 6_000
_WORDS: Final = 400
_FEWEST: Final = 15
"""Words that a text must have: shorter ones are alike by chance."""
_BINS: Final = 16
_BAND: Final = 4
_FILES: Final = 3
_SMALLEST: Final = 1_024
"""Bytes of an attachment that counts."""
_WORD: Final = re.compile(rb"(?:https?://|www\.)[^\s<>\"]+|([a-z\x80-\xff]{2,})")
_EMPTY: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_MIX: Final = tuple(
    np.uint64(one) for one in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
)


def keys(text: str, attachments: list[dict[str, Any]]) -> list[str]:
    """The keys of a message with this visible text and these rows of `mail.attachment`."""
    made = of_text(text)
    for row in attachments[:50]:
        kind = row["sniffed_type"] or row["content_type"] or ""
        if row["size"] >= _SMALLEST and not kind.startswith(("image/", "text/")):
            made.append(row["sha256"][:16])
            if len(made) >= _BINS // _BAND + _FILES:
                break
    return made


def of_text(text: str) -> list[str]:
    """The keys of a text; none where it is too short."""
    found = _WORD.findall(text[:_READ].lower().encode("utf-8", "replace"))
    words = [word for word in found if word][:_WORDS]
    if len(words) < _FEWEST:
        return []
    hashed = np.fromiter(map(crc32, words), np.uint64, len(words))
    triples = hashed[:-2] * _MIX[0] + hashed[1:-1] * _MIX[1] + hashed[2:] * _MIX[2]
    triples ^= triples >> np.uint64(29)
    triples *= _MIX[1]
    least = np.full(_BINS, _EMPTY)
    np.minimum.at(least, (triples >> np.uint64(60)).astype(np.intp), triples)
    while (empty := least == _EMPTY).any():  # borrowed from the next bin that has one
        least[empty] = np.roll(least, -1)[empty]
    whole = least.tobytes()
    size = _BAND * 8
    return [
        blake2b(bytes([at]) + whole[at * size : (at + 1) * size], digest_size=8).hexdigest()
        for at in range(_BINS // _BAND)
    ]
