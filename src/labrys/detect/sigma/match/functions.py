"""Comparisons that Sigma has no modifier for: each decides one value against a rule's value."""

from collections.abc import Callable
from typing import Final

from labrys.detect.imitation.domains import lookalike
from labrys.detect.imitation.letters import disguised, folded
from labrys.detect.imitation.names import is_person

Function = Callable[[str, str], bool]
"""(value of the record, value of the rule) -> whether it holds."""

FUNCTIONS: Final[dict[str, Function]] = {
    "lookalike": lookalike,
    "disguised": lambda value, wanted: disguised(value, folded(wanted)),
    "person": is_person,
}
"""By the name of the modifier, which is also that of the operator in the compiled form."""
