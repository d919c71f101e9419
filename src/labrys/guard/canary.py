"""Asks a model that was just loaded what it must know: questions in its card, with their answers.

A digest says that a file is the file that was signed; a canary says that file and program together
still answer as they did when the model was made. A wrong answer refuses the model.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from labrys.errors import ModelError

Floats = npt.NDArray[np.float64]
Answer = Callable[[Sequence[Any]], Floats]
_CLOSE: Final = 1e-4
_MOST: Final = 64


def canaries(asked: Sequence[Any], answer: Answer) -> list[dict[str, Any]]:
    """Questions and the answers that a model gives now, as a card keeps them."""
    return [
        {"ask": one, "answer": round(float(said), 6)}
        for one, said in zip(asked, answer(asked), strict=True)
    ]


def check(card: Mapping[str, Any], place: str, answer: Answer) -> None:
    """Ask what the card says; ModelError with the question where the answer is another.

    A card without canaries is not asked: a user's own model may have none.
    """
    held = card.get("canaries", [])
    try:
        asked = [one["ask"] for one in held][:_MOST]
        wanted = np.array([float(one["answer"]) for one in held][:_MOST])
        said = np.asarray(answer(asked), np.float64) if asked else wanted
    except (TypeError, KeyError, ValueError, IndexError) as error:
        raise ModelError(f"{place}: the canaries of its card are none ({error!r})") from error
    wrong = np.flatnonzero(~(np.abs(said - wanted) <= _CLOSE * np.maximum(1.0, np.abs(wanted))))
    if len(wrong):
        at = int(wrong[0])
        raise ModelError(
            f"{place}: asked {str(asked[at])[:80]!r} it answers {said[at]:.6g}, not {wanted[at]:.6g} "
            "as when it was made: model and program do not belong together; install labrys again"
        )
