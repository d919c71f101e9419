"""Whether a shown name is that of a known person, whatever the order, accents and additions."""

import re
from typing import Final

from labrys.detect.imitation.letters import folded

_APART: Final = re.compile(r"[^\w]+|_+")


def words(name: str) -> frozenset[str]:
    """The words of a name, folded; single letters left out."""
    return frozenset(one for one in _APART.split(folded(name[:512])) if len(one) > 1)


def is_person(shown: str, known: str) -> bool:
    """Whether every word of a known name (two at least) stands in the name that is shown."""
    wanted = words(known)
    return len(wanted) > 1 and wanted <= words(shown)
