"""Which engine runs a rule's regular expression: one that takes linear time, or backtracking."""

import re
from functools import lru_cache
from typing import Final, Literal

import re2

from labrys.detect.sigma.parse.errors import Unusable

LONGEST: Final = 16 << 10
"""Characters a rule's expression may have."""

_FLAGS: Final = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}


@lru_cache(4096)
def engine(expression: str, flags: str = "") -> Literal["linear", "backtracking"]:
    """`linear` where RE2 accepts the expression, `backtracking` where only Python's `re` does.

    Raises `Unusable` where neither does.
    """
    if len(expression) > LONGEST:
        raise Unusable(f"regular expression longer than {LONGEST} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    try:
        re2.compile(f"(?{flags}:{expression})" if flags else expression, options)
    except re2.error as refused:
        try:
            re.compile(expression, re.ASCII | sum(_FLAGS[flag] for flag in flags))
        except (re.error, OverflowError, RecursionError) as error:
            text = expression if len(expression) <= 80 else expression[:77] + "..."
            raise Unusable(
                f"regular expression `{text}` is invalid: {error} (RE2: {refused})"
            ) from None
        return "backtracking"
    return "linear"
