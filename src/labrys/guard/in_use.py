"""The card of the model that a detector uses: the user's own where he has one, else ours."""

from typing import Any

from labrys.errors import ModelError
from labrys.guard import own
from labrys.guard.shipped import shipped


def card_of(detector: str) -> dict[str, Any]:
    """The card; ModelError where the detector has no model, or has one that must not be used."""
    mine = own.in_use(detector)
    if mine is not None:
        return dict(mine.card)
    found = next((each.card for each in shipped() if each.detector == detector), None)
    if found is None:
        raise ModelError(f"{detector!r} has no model; labrys guard list names those that have")
    return dict(found)
