"""How well generated names and phishing URLs are told from ordinary ones, held out by family and source.

`python -m bench names [dga] [hosts] [url] [--quick]`. Models are trained anew without what they are
judged on; thresholds come from other families and other benign sources than those judged.
"""

import argparse
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from bench.data import Skipped

PARTS: Final = ("dga", "hosts", "url")


def main(arguments: Sequence[str]) -> int:
    """Print the tables that were asked for; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench names", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *PARTS], help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="an eighth of the benign names")
    asked = parser.parse_args(arguments)
    for name in asked.what or PARTS:
        try:
            import_module(f"bench.names.{name}").run(quick=asked.quick)
        except Skipped as reason:
            print(f"{name}: skipped: {reason}")
    return 0
