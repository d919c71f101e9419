"""Writes the reference pages and generated parts: `python docs/generate.py`, `--check` in CI."""

import argparse
import difflib
import sys
from pathlib import Path

from generator.commands import commands_page
from generator.detection import detectors_page, rules_page, sigma_page
from generator.evidence import formats_page, ocsf_page
from generator.markdown import codes, replaced
from generator.running import exit_codes_page, settings_page

from labrys.report.csv import COLUMNS

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"


def pages() -> dict[Path, str]:
    """Every file this writes, and what is to be in it."""
    report = ROOT / "docs" / "read-the-report.md"
    return {
        REFERENCE / "commands.md": commands_page(),
        REFERENCE / "formats.md": formats_page(),
        REFERENCE / "ocsf.md": ocsf_page(),
        REFERENCE / "detectors.md": detectors_page(),
        REFERENCE / "rules.md": rules_page(),
        REFERENCE / "sigma.md": sigma_page(),
        REFERENCE / "settings.md": settings_page(),
        REFERENCE / "exit-codes.md": exit_codes_page(),
        report: replaced(report.read_text("utf-8"), "csv", codes(COLUMNS)),
    }


def main() -> int:
    """Write what has changed; with `--check` only say so. 1 where `--check` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on differences")
    check = parser.parse_args().check
    stale = 0
    for path, text in pages().items():
        have = path.read_text("utf-8") if path.exists() else ""
        if have == text:
            continue
        stale += 1
        name = path.relative_to(ROOT).as_posix()
        if check:
            lines = difflib.unified_diff(
                have.splitlines(), text.splitlines(), name, f"{name}, as the code is now", "", "", 1
            )
            sys.stderr.write("\n".join(list(lines)[:40]) + "\n")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
            sys.stderr.write(f"wrote {name}\n")
    if check and stale:
        sys.stderr.write(f"{stale} pages differ from the code: run `sh scripts/docs`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
