"""The HTML report in a real browser: it draws, it searches, and evidence in it does nothing."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from chromium import Page, browser, find
from labrys.report import Report, Summary, write
from labrys.report.testing import HOSTILE, common, hostile
from labrys.triage import incidents
from labrys.triage.testing import ENCODED, HOUR, START, finding, many, table

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    program = find()
    if program is None:
        pytest.skip("no Chromium on the path; set LABRYS_CHROMIUM to use one")
    with browser(program) as made:
        yield made


def saved(report: Report, folder: Path) -> Path:
    path = folder / "report.html"
    path.write_bytes(b"".join(write(report, "html")))
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(common(), tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(hostile(), tmp_path_factory.mktemp("nasty"))


def texts(page: Page, selector: str) -> list[str]:
    made: list[str] = page.run(
        f"[...document.querySelectorAll({selector!r})].map((each) => each.textContent)"
    )
    return made


def clean(page: Page, path: Path) -> None:
    """Nothing but the file itself was asked for, and nothing went wrong."""
    asked = {address.partition("#")[0] for address in page.requests}
    assert asked <= {path.as_uri(), "about:blank"}
    assert page.errors == []
    assert page.dialogs == 0


@pytest.mark.parametrize("width", [1280, 480])
def test_it_draws(page: Page, plain: Path, width: int) -> None:
    page.open(plain, width=width)
    assert page.run("document.title") == "labrys: case/laptops"
    assert texts(page, "h2")[0].startswith("LSASS memory dumping after password guessing")
    assert len(texts(page, ".item")) == 4
    assert len(texts(page, ".finding")) == 11
    assert len(texts(page, ".timeline .mark")) >= 8
    assert len(texts(page, ".graph .node")) >= 12
    assert len(texts(page, ".chain .hit")) == 10
    assert texts(page, ".steps li")[0].startswith("Isolate ws01")
    assert "inconclusive" in texts(page, ".verdict")[0]
    assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
    assert len(base64.b64decode(page.picture())) > 20_000
    clean(page, plain)


def test_labels_of_the_graph_do_not_overlap(page: Page, plain: Path) -> None:
    page.open(plain)
    overlaps = page.run(
        """(() => {
          const boxes = [...document.querySelectorAll('.graph .label:not(.hid)')].map((each) => each.getBoundingClientRect());
          let count = 0;
          boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
            if (a.left < b.right - 2 && b.left < a.right - 2 && a.top < b.bottom - 2 && b.top < a.bottom - 2) count += 1;
          }));
          return count;
        })()"""
    )
    assert overlaps == 0


def test_it_searches(page: Page, plain: Path) -> None:
    page.open(plain)
    page.press("/")
    for letter in "finance.7z":
        page.press(letter)
    assert len(texts(page, ".item")) == 1
    assert len(texts(page, ".finding")) == 1
    page.press("Escape")
    assert len(texts(page, ".item")) == 4
    page.run("document.getElementById('search').value = 'nothing like this'")
    page.run("document.getElementById('search').dispatchEvent(new Event('input'))")
    assert len(texts(page, ".item")) == 0
    assert "Nothing matches" in texts(page, "main h2")[0]
    clean(page, plain)


def test_keys_and_tabs(page: Page, plain: Path) -> None:
    page.open(plain)
    page.press("j")
    assert page.run("location.hash") == "#2"
    assert texts(page, "h2")[0].startswith("Office program")
    page.press("k")
    assert texts(page, "h2")[0].startswith("LSASS")
    page.run("document.querySelectorAll('.tabs button')[1].click()")
    assert "360" in " ".join(texts(page, ".grid td"))
    page.run("document.querySelectorAll('.tabs button')[2].click()")
    assert "chunk checksum does not match" in " ".join(texts(page, ".grid td"))
    clean(page, plain)


def test_a_finding_opens(page: Page, plain: Path) -> None:
    page.open(plain)
    page.run("document.querySelectorAll('.finding')[2].click()")
    detail = texts(page, ".detail")[0]
    assert "powershell.exe -Enc SQBFAFgA" in detail
    assert "r-encoded" in detail
    page.run("document.querySelectorAll('.finding')[2].click()")
    assert texts(page, ".detail") == []


def test_a_rule_that_found_much_has_one_line_that_unfolds(page: Page, tmp_path: Path) -> None:
    ties = [("host", "ws01", "device"), ("session", "s1", "session")]
    often = [
        finding(replace(ENCODED, severity=4), START + n * HOUR // 60, ties, reasons=[("CommandLine", f"powershell -enc {n}", None)])
        for n in range(6)
    ]  # fmt: skip
    found = table(often)
    path = saved(Report.of(found, incidents(found), Summary()), tmp_path)
    page.open(path)
    assert len(texts(page, ".finding")) == 1
    assert texts(page, ".finding .matched") == ["CommandLine: powershell -enc 0"]
    assert texts(page, ".finding button") == ["5 more of this rule"]
    page.run("document.querySelector('.finding button').click()")
    assert texts(page, ".finding .matched")[-1] == "CommandLine: powershell -enc 5"
    assert (len(texts(page, ".finding")), texts(page, ".detail")) == (6, [])
    clean(page, path)


def test_the_timeline_zooms(page: Page, plain: Path) -> None:
    page.open(plain)
    before = len(texts(page, ".timeline .mark"))
    page.run("document.querySelector('.tools button').click()")
    assert len(texts(page, ".timeline .mark")) < before
    page.run("document.querySelectorAll('.tools button')[2].click()")
    assert len(texts(page, ".timeline .mark")) == before


def test_hostile_evidence_is_only_text(page: Page, nasty: Path) -> None:
    for width in (1280, 480):
        page.open(nasty, width=width)
        for tab in (0, 1, 2):
            page.run(f"document.querySelectorAll('.tabs button')[{tab}].click()")
            if tab == 0:
                page.run("document.querySelectorAll('.finding').forEach((each) => each.click())")
            assert page.run("document.title") != "owned"
            assert page.run("document.querySelectorAll('#app script, #app img, #app iframe, #app a, #app object').length") == 0  # fmt: skip
            handlers = "[...document.querySelectorAll('#app *')].some((each) => [...each.attributes].some((a) => /^on/.test(a.name)))"
            assert page.run(handlers) is False
            shown = page.run("document.getElementById('app').textContent")
            assert "\u202e" not in shown
            assert "\x1b" not in shown
        page.run("document.querySelectorAll('.tabs button')[0].click()")
        assert HOSTILE[0] in page.run("document.getElementById('app').textContent")
        assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
    page.printed()
    assert page.run("document.title") != "owned"
    clean(page, nasty)


def test_it_prints(page: Page, plain: Path) -> None:
    page.open(plain)
    pdf = base64.b64decode(page.printed())
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 50_000
    page.open(plain, hash="#print")
    written = page.run("document.getElementById('print').textContent")
    assert "Sources and limits" in written
    assert "Application package installed" in written
    clean(page, plain)


def test_a_large_case_is_quick(page: Page, tmp_path: Path) -> None:
    serious = [
        finding(replace(ENCODED, uid=f"r{n}", severity=4), START + n * HOUR, [("host", f"h{n}", "device")])
        for n in range(150)
    ]  # fmt: skip
    found = pa.concat_tables([many(5000), table(serious)])
    path = saved(Report.of(found, incidents(found), Summary()), tmp_path)
    page.open(path)
    took = page.run(
        "(() => { const begun = performance.now(); document.querySelectorAll('.item')[1].click(); return performance.now() - begun; })()"
    )
    assert took < 2000
    assert len(texts(page, ".item")) > 100
    clean(page, path)
