"""What the pages say is true: references are as the code is, links resolve, marked examples run.

A fence's first line says what is done with it: `sh test` (with `exit=N`) runs in a folder that has
the demo in it; `sql test` must find something in the demo's case; `file=PATH` is written there
first; the lines of `text output` must be in what the example before it printed, in that order.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer.main

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])
PAGES += sorted(DOCS.rglob("*.md"))
TESTED = [page for page in PAGES if re.search(r"^```\w+ .*\b(test|file=)", page.read_text(), re.M)]
FENCE = re.compile(r"^```(\w+)([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A fenced block: its language, the words after that, its text and the line it begins at."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int

    def option(self, name: str) -> str:
        """The value of `name=value`, or nothing."""
        return next((w.partition("=")[2] for w in self.words if w.startswith(f"{name}=")), "")


def examples(page: Path) -> Iterator[Example]:
    text = page.read_text("utf-8")
    for found in FENCE.finditer(text):
        words = tuple(found[2].split())
        yield Example(found[1], words, found[3], text.count("\n", 0, found.start()) + 1)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def environment(home: Path) -> dict[str, str]:
    """Commands as a user has them, with nothing of this machine's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LABRYS_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    more = {"XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home), "NO_COLOR": "1"}
    return {**kept, **more, "PATH": path, "COLUMNS": "100"}


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `labrys demo` has run."""
    folder = tmp_path_factory.mktemp("docs")
    made = run(["labrys", "demo"], folder)
    assert made.returncode == 0, made.stderr
    return folder


# The pages as a whole


def test_generated_pages_are_as_the_code_is() -> None:
    script = [sys.executable, str(DOCS / "generate.py"), "--check"]
    made = subprocess.run(script, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr


def test_every_option_is_documented() -> None:
    page = (DOCS / "reference" / "commands.md").read_text("utf-8")
    for command, options in commands().items():
        section = page.partition(f"\n## {command}\n")[2].partition("\n## ")[0]
        assert section, command
        for option in options:
            assert f"`{option}`" in section, f"{command} {option}"


def commands() -> dict[str, set[str]]:
    """Every command that does something, with its options."""
    from labrys.cli.app import app

    found = {}
    waiting = [("labrys", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        inner = getattr(command, "commands", None)
        if inner is None:
            shown = [p for p in command.params if not getattr(p, "hidden", False)]
            options = {option for p in shown for option in (*p.opts, *p.secondary_opts)}
            found[name] = {option for option in options if option.startswith("-")}
        else:
            waiting += [(f"{name} {part}", made) for part, made in inner.items()]
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_examples_exist(page: Path) -> None:
    known = commands()
    lines = [line for each in examples(page) if each.language == "sh" for line in shell_lines(each)]
    lines += re.findall(r"`(?:\.venv/bin/)?(labrys [^`]+)`", page.read_text("utf-8"))
    for line in lines:
        for call in re.findall(r"(?:^|[ /(])labrys ([a-z][^|;&]*)", f" {line}"):
            words = [f"labrys {part}" for part in (" ".join(call.split()[:2]), call.split()[0])]
            command = next((word for word in words if word in known), None)
            if command is None:
                assert any(each.startswith(f"{words[1]} ") for each in known), line
                continue
            unquoted = re.sub(r"\"[^\"]*\"|'[^']*'", "", call)
            for option in re.findall(r"(?<=\s)(--?[a-z][a-z-]*)", unquoted):
                assert option in known[command] | {"--help", "-h"}, f"{option} in: {line}"


def shell_lines(example: Example) -> list[str]:
    joined = example.text.replace("\\\n", " ")
    return [line for line in joined.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text):
        link = target[0] or target[1]
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        leads_to = (page.parent / path).resolve() if path else page
        assert leads_to.exists(), link
        assert leads_to.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(leads_to), link


def anchors(page: Path) -> set[str]:
    """The names that headings can be reached by."""
    text = FENCE.sub("", page.read_text("utf-8"))
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def test_every_page_can_be_reached() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s:]+)", page.read_text("utf-8"))
        waiting += [made for link in links if (made := (page.parent / link).resolve()).is_file()]
    assert set(PAGES) <= seen


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_speak_of_no_machine_of_ours(page: Path) -> None:
    text = page.read_text("utf-8")
    assert not re.search(r"/work/|/root/(?!\.ssh)|\bpypi\.|githubusercontent|localhost:\d", text)


def test_pictures_are_small_and_ask_for_nothing() -> None:
    pictures = list((DOCS / "pictures").iterdir())
    assert {each.suffix for each in pictures} == {".svg", ".png"}
    for picture in pictures:
        assert picture.stat().st_size < 400_000
        if picture.suffix == ".svg":
            addresses = re.findall(
                r"(?:url\(|href=)\"?'?(\w+:[^)\"']+)", picture.read_text("utf-8")
            )
            assert addresses == []


# The front page


def test_the_quick_start_is_two_lines_and_one_of_them_is_what_ci_runs() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    section = text.partition("\n## Quick start\n")[2].partition("\n## ")[0]
    lines = [line for found in FENCE.finditer(section) for line in found[3].splitlines() if line]
    assert lines == ["sh scripts/setup && .venv/bin/labrys demo", "sh scripts/test"]
    ci = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert ci[-1] == lines[1]
    assert (ROOT / "scripts" / "setup").is_file()
    assert (ROOT / "scripts" / "test").is_file()


def test_the_front_page_names_what_a_machine_needs() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    text = (ROOT / "README.md").read_text("utf-8")
    assert f"Python {project['requires-python'].removeprefix('>=')}" in text
    assert project["license"] in text
    assert "(docs/figures.md)" in text


# The examples


@pytest.mark.parametrize("page", TESTED, ids=name_of)
def test_examples_work(page: Path, demo: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    shutil.copytree(demo, work)
    for each in examples(page):
        if name := each.option("file"):
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(each.text, "utf-8")
    for project in sorted(work.glob("*/pyproject.toml")):
        installed(project)
    said = ""
    for each in examples(page):
        where = f"{name_of(page)}:{each.line}"
        if each.language == "sh" and "test" in each.words:
            said = ran(["sh", "-euc", each.text], work, int(each.option("exit") or 0), where)
        elif each.language == "sql" and "test" in each.words:
            assert rows(work, each.text), f"{where} finds nothing"
        elif each.language == "text" and "output" in each.words:
            assert_shows(said, each.text, where)


def rows(work: Path, sql: str) -> int:
    """How many rows a hunt in the demo's case finds."""
    from labrys.lake.case import Case
    from labrys.lake.engine import connect
    from labrys.lake.hunt import run as ask

    with Case.open(work / "labrys-demo" / "case.labrys", create=False, write=False) as case:
        engine = connect(case, threads=1)
        try:
            return int(ask(engine, sql).read_all().num_rows)
        finally:
            engine.close()


def ran(command: list[str], folder: Path, code: int, where: str) -> str:
    """What a command printed; a fault where it ends otherwise than it should."""
    made = run(command, folder)
    assert made.returncode == code, f"{where}: exit {made.returncode}\n{made.stdout}{made.stderr}"
    return made.stdout + made.stderr


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A command run as a user would, with the plug-ins that are installed in the folder."""
    plugged = os.pathsep.join(map(str, sorted(folder.glob("*.installed"))))
    env = environment(folder / "home") | {"PYTHONPATH": plugged}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def assert_shows(said: str, wanted: str, where: str) -> None:
    """The wanted lines are among those said, in order; blanks count as one, … is anything."""
    lines = iter([" ".join(line.split()) for line in said.splitlines()])
    for line in wanted.splitlines():
        sought = re.compile(".*".join(map(re.escape, " ".join(line.split()).split("…"))))
        if line.strip() not in ("", "…"):
            shown = any(sought.fullmatch(made) for made in lines)
            assert shown, f"{where}: not shown: {line}\n{said}"


def installed(project: Path) -> None:
    """What installing a plug-in comes to: its code on the path, and its entry points beside it."""
    with project.open("rb") as file:
        made = tomllib.load(file)["project"]
    target = project.parents[1] / f"{project.parent.name}.installed"
    shutil.copytree(project.parent, target)
    about = target / f"{made['name'].replace('-', '_')}-{made['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {made['name']}\nVersion: {made['version']}\n"
    )
    points = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items())
        for group, names in made["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(points))
