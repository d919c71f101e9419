"""Loads Sigma rules, ours and the user's, ready to match: from the cache wherever possible."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from labrys.detect.contract import RowDetector
from labrys.detect.registry import RowFolder
from labrys.detect.sigma import cache
from labrys.detect.sigma.detector import SigmaDetector
from labrys.detect.sigma.ir import RuleSet
from labrys.detect.sigma.match.engine import Engine
from labrys.detect.sigma.match.literals import HAS_HYPERSCAN
from labrys.scan.levels import levels, with_levels


def builtin_rules() -> Path:
    """The folder of our own rules: in the installed package, or beside the sources."""
    packaged = Path(str(files("labrys"))) / "rules"
    return packaged if packaged.is_dir() else Path(str(files("labrys"))).parents[1] / "rules"


def load(
    folders: Sequence[Path], placeholders: Mapping[str, Sequence[str]] | None = None
) -> tuple[RuleSet, SigmaDetector]:
    """The rules under `folders`, at the levels said there, and the detector that runs them."""
    rules = with_levels(cache.load(folders, placeholders), levels(folders))
    name = f"{rules.digest[:40]}-{'hyperscan' if HAS_HYPERSCAN else 'aho'}.v2.automata"
    compiled = cache.blob(name)
    if compiled is None:
        compiled = Engine(rules).compiled()
        cache.put_blob(name, compiled)
    return rules, SigmaDetector(rules, compiled)


def armed(folder: RowFolder, rules: RuleSet, sigma: RowDetector) -> RowDetector:
    """A row detector, given the scan's rules where its folder's `with_rules` asks for them."""
    give = getattr(import_module(f"{folder.module}.detect"), "with_rules", None)
    made: RowDetector = folder if give is None else give(folder, rules, sigma, _keep)
    return made


def _keep(name: str, make: Callable[[], bytes]) -> bytes:
    content = cache.blob(name)
    if content is None:
        content = make()
        cache.put_blob(name, content)
    return content
