"""Draws the pictures of the pages from a real run: `python docs/pictures.py` (needs Chromium)."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

from labrys.cli.output import Form, report_of
from labrys.lake.case import Case
from labrys.report import html, table
from labrys.report.contents import Report
from labrys.scan.run import reopened

PICTURES = Path(__file__).resolve().parent / "pictures"
LINES = 46
WIDTH = 100
COMMAND = "labrys demo"

# Rich's own frame fetches a font; this one takes the viewer's.
FRAME = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
 aria-label="The beginning of what labrys demo prints">
<title>The beginning of what labrys demo prints</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace;
 font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
<rect fill="#16181d" width="{width}" height="{height}" rx="8" />
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def main() -> int:
    """Run the demo, draw its table and photograph its page."""
    with TemporaryDirectory() as folder:
        report = _demo(Path(folder))
        lines = b"".join(table.write(report, width=WIDTH, color=True)).decode().splitlines()
        (PICTURES / "demo.svg").write_text(_drawn(lines), "utf-8")
        page = Path(folder) / "report.html"
        page.write_bytes(b"".join(html.write(report)))
        _photographed(page, PICTURES / "report.png")
    return 0


def _demo(folder: Path) -> Report:
    """What `labrys demo` reports, with names as seen by one who ran it where they stand."""
    labrys = str(Path(sys.executable).with_name("labrys"))
    subprocess.run([labrys, "demo"], cwd=folder, check=True, capture_output=True)  # noqa: S603 our own program
    name = "labrys-demo/case.labrys"
    with Case.open(folder / name, create=False, write=False) as case:
        report = report_of(case, reopened(case), Form.HTML)
    return replace(report, summary=replace(report.summary, case=name))


def _drawn(lines: list[str]) -> str:
    """The first lines as an SVG that needs nothing from outside."""
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    console.print(Text.assemble(("$ ", "green"), (COMMAND, "bold")))
    for line in _beginning(lines):
        console.print(Text.from_ansi(line), soft_wrap=True)
    return console.export_svg(code_format=FRAME, unique_id="labrys", font_aspect_ratio=0.6)


def _beginning(lines: list[str]) -> Iterable[str]:
    yield from lines[:LINES]
    if len(lines) > LINES:
        yield f"    \x1b[2m… and {len(lines) - LINES} more lines\x1b[0m"


def _photographed(page: Path, picture: Path) -> None:
    """A picture of the page, as a browser that may not use the network shows it."""
    browser = next((found for name in ("chromium", "chromium-browser", "google-chrome")
                    if (found := shutil.which(name))), None)  # fmt: skip
    if browser is None:
        raise SystemExit("needs Chromium to photograph the page")
    options = (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        *("--window-size=1440,1625", "--virtual-time-budget=3000", "--host-resolver-rules=MAP * ~"),
    )
    command = [browser, *options, f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603 ours
    if re.match(rb"\x89PNG", picture.read_bytes()) is None:
        raise SystemExit("no picture was taken")


if __name__ == "__main__":
    sys.exit(main())
