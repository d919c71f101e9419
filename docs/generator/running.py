"""Settings and exit codes."""

import ast
import inspect
import re
from itertools import pairwise
from pathlib import Path

import msgspec

from generator.commands import commands
from generator.markdown import code, page, table
from labrys import cli, settings

_CODES = {
    0: "done; everything that was given could be read",
    1: "done, but something could not be read, is of no known format, or is read only in part, or "
    "there was nothing to read: about that the result is *inconclusive*. Also: `rules check` met a rule that cannot be "
    "loaded, `doctor` met something that is broken",
    2: "bad usage: a wrong option, a path that is not there, a case in use, SQL that is refused, an "
    "engine that does not answer",
    3: "a bug in labrys; `labrys --debug …` shows where",
    130: "interrupted (Ctrl-C); what was committed stays, the same command goes on from there",
}


def settings_page() -> str:
    """The page of everything that can be set."""
    flags = {name.lstrip("-") for _, made in commands() for p in made.params for name in p.opts}
    told = described()
    rows = []
    for field in msgspec.structs.fields(settings.Settings):
        default = "" if field.default in ("", (), msgspec.NODEFAULT) else code(str(field.default))
        flag = code(f"--{field.name}") if field.name in flags else ""
        variable = code(f"{settings.PREFIX}{field.name.upper()}")
        variable = "" if field.name in settings.FILE_ONLY else variable
        rows.append([code(field.name), variable, flag, default, told[field.name]])
    return page(
        "Settings",
        "What is given on the command line goes before the environment, that before the file, "
        "that before the default. The file is the one that `LABRYS_CONFIG` names, or "
        "`labrys/labrys.toml` in your configuration folder (`~/.config`, or `XDG_CONFIG_HOME`). A "
        "file in the folder you stand in is never read: that folder may be evidence.",
        table(["in the file", "in the environment", "option", "default", "what"], rows),
        "Sizes are a number and `B`, `KB`, `MB`, `GB` or `TB` (powers of 1024), times are seconds. "
        "Several rule folders are a list in the file, and separated by `:` in the environment.",
        "Compiled rules are kept in `~/.cache/labrys` (or under `XDG_CACHE_HOME`; `LABRYS_CACHE` "
        "names another folder). It may be deleted at any time.",
    )


def exit_codes_page() -> str:
    """The page of exit codes."""
    raised = {0, 130, *map(int, re.findall(r"sys\.exit\((\d+)\)", inspect.getsource(cli.main)))}
    raised |= {1}  # by the commands themselves
    if raised != set(_CODES):
        raise ValueError(f"say what these exit codes mean: {raised ^ set(_CODES)}")
    rows = [[str(number), said] for number, said in sorted(_CODES.items())]
    return page(
        "Exit codes",
        "They do not say whether an incident was found: read the report, or count its lines.",
        table(["code", "what"], rows),
    )


def described() -> dict[str, str]:
    """The sentence under each setting in the code."""
    tree = ast.parse(Path(inspect.getfile(settings)).read_text("utf-8"))
    [body] = [
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == settings.Settings.__name__
    ]
    told = {}
    for node, after in pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            said = after.value if isinstance(after, ast.Expr) else None
            if not isinstance(said, ast.Constant):
                raise ValueError(f"the setting {node.target.id} has no sentence")
            told[node.target.id] = inspect.cleandoc(str(said.value))
    return told
