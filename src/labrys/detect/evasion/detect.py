"""The evasion detector as a folder: with the scan's rules where it is given them, else without."""

from typing import Any

import pyarrow as pa

from labrys.detect.contract import RowDetector
from labrys.detect.evasion.detector import Evasion
from labrys.detect.evasion.loose import Keep
from labrys.detect.evasion.score import model
from labrys.detect.sigma.ir import RuleSet


def detect(shape: str, batch: pa.Table) -> pa.Table:
    """What is found without rules: lines like those of attacks, and lines disguised beyond doubt."""
    return Evasion("", model()).detect(shape, batch)


def with_rules(made: Any, rules: RuleSet, sigma: RowDetector, keep: Keep) -> RowDetector:
    """The detector that also says which of `rules` (run by `sigma`) a line was to escape."""
    return Evasion(made.digest, model(), rules, sigma, keep)
