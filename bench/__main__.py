"""Runs the benchmarks by name, prints their tables: `python -m bench [NAME…] [--quick] [--json]`.

Some benchmarks have command lines of their own (`OWN`): `python -m bench detect --help`.
"""

import argparse
import json
import os
import platform
import signal
import sys
import time
from importlib import import_module
from typing import Any, Final

from bench.data import Skipped
from bench.measure import Failed
from bench.table import Row, printed

NAMES: Final = (
    "startup",
    "rule_load",
    "process_rules",
    "evtx_corpus",
    "evtx_dense",
    "packets",
    "rescan",
    "memory",
    "spark_standalone",
    "triage_alerts",
    "triage_million",
    "watch_latency",
    "mail_gate",
    "models",
)

OWN: Final = {
    "botnet": "bench.botnet",
    "detect": "bench.detect.main",
    "duel": "bench.duel",
    "evasion": "bench.evasion.main",
    "injection": "bench.injection",
    "likelihood": "bench.likelihood",
    "mail": "bench.mail",
    "mail_relation": "bench.mail_relation",
    "names": "bench.names.main",
    "network": "bench.network",
    "poison": "bench.poison",
    "theft": "bench.theft",
    "unlike_peers": "bench.unlike_peers",
}
"""Those with a command line of their own, and where it is."""


def main() -> int:
    """Run what was asked for; 1 if labrys gave an answer that differs from the reference's."""
    if (own := OWN.get("".join(sys.argv[1:2]))) is not None:
        return int(import_module(own).main(sys.argv[2:]))
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="small inputs: does it run?")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    asked = parser.parse_args()
    # So that processes and folders are put away before this one ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    unknown = sorted(set(asked.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    results: list[dict[str, Any]] = []
    wrong = False
    for name in asked.names or NAMES:
        module = import_module(f"bench.{name}")
        before, begun = os.getloadavg()[0], time.monotonic()
        try:
            rows = module.run(quick=asked.quick)
        except Skipped as reason:
            rows = [Row(name, "labrys", note=f"skipped: {reason}")]
        except Failed as reason:
            rows = [Row(name, "labrys", equal="no", note=f"failed: {reason}")]
        load = f"{before:.1f} to {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        wrong = wrong or any(row.wrong for row in rows)
        results.append(
            {
                "name": name,
                "what": (module.__doc__ or "").partition("\n")[0],
                "load": load,
                "seconds": round(time.monotonic() - begun, 1),
                "quick": asked.quick,
                "rows": [row.as_dict() for row in rows],
            }
        )
        shown = sys.stderr if asked.json else sys.stdout
        print(
            f"\n{name}: {results[-1]['what']}\n{printed(rows)}\n  load average {load}", file=shown
        )
        shown.flush()
    if asked.json:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        print(json.dumps({"machine": machine, "results": results}, indent=1))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
