"""Every command and option, from the command line itself."""

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer.main

from generator.markdown import code, codes, page, table

_WORDS = {Path: "PATH", int: "NUMBER", str: "TEXT", float: "NUMBER"}


def commands() -> Iterator[tuple[str, Any]]:
    """(name as typed, the command) of all that do something, in the order of the help."""
    yield from _below("labrys", typer.main.get_command(_app()))


def commands_page() -> str:
    """The page of all commands."""
    parts = [
        "Results go to standard output, progress and notes to standard error. What the exit codes "
        "mean is in [exit codes](exit-codes.md); what can be set for good, in "
        "[settings](settings.md)."
    ]
    parts += [_command(name, command) for name, command in commands()]
    everywhere = _options(typer.main.get_command(_app()))
    parts += ["## Before any command", everywhere]
    return page("Commands", *parts)


def _app() -> Any:
    from labrys.cli.app import app

    return app


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for part, made in inner.items():
        if not made.hidden:
            yield from _below(f"{name} {part}", made)


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if not p.opts[0].startswith("-")]
    usage = [name, *(_usage(p) for p in arguments), "[options]"]
    parts = [f"## {name}", f"    {' '.join(usage)}", _said(command.help or "")]
    if arguments:
        rows = [[code(_called(p)), p.help, _default(p)] for p in arguments]
        parts.append(table(["argument", "what", "default"], rows))
    parts.append(_options(command))
    return "\n\n".join(part for part in parts if part)


def _options(command: Any) -> str:
    hints = _hints(command)
    rows = []
    for made in command.params:
        if made.opts[0].startswith("-") and not made.hidden:
            names = codes(sorted((*made.opts, *made.secondary_opts), key=len, reverse=True))
            takes = "" if made.is_flag else _takes(hints.get(made.name))
            rows.append([names, takes, made.help or "", _default(made)])
    rows.append([codes(("--help", "-h")), "", "Show the help.", ""])
    return table(["option", "takes", "what", "default"], rows)


def _hints(command: Any) -> dict[str, Any]:
    if command.callback is None:
        return {}
    # Names that only a type checker sees do not occur in a command's own parameters.
    return get_type_hints(inspect.unwrap(command.callback))


def _takes(hint: Any) -> str:
    inner = [each for each in get_args(hint) if each is not type(None)]
    if inner:
        return _takes(inner[0])
    if inspect.isclass(hint) and issubclass(hint, Enum):
        return " ".join(code(str(each.value)) for each in hint)
    return code(_WORDS.get(hint, "TEXT"))


def _called(made: Any) -> str:
    return str(made.metavar or made.name.upper()) + ("…" if made.nargs != 1 else "")


def _usage(made: Any) -> str:
    return _called(made) if made.required else f"[{_called(made)}]"


def _default(made: Any) -> str:
    value = made.default
    if made.required or value is None or value is False or value == "":
        return ""
    if made.secondary_opts:
        return code(made.opts[0])
    return code(str(value.value if isinstance(value, Enum) else value))


def _said(text: str) -> str:
    """A command's help; its example lines as such."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"    {' '.join(part.split())}" if re.match(r"labrys [a-z]", part) else part
        for part in paragraphs
    )
