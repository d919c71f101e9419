"""Reads the YAML documents in a rule file, and resolves rule collections.

Source: YAML 1.2.2 core schema, numbers only in plain decimals (`yes`, `0x17`, `007`, dates and
`1:30` stay the text that logs hold), Sigma rule collections (`action: global | reset | repeat`).
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import yaml
from sigma.exceptions import SigmaError
from sigma.rule.base import check_alias_expansion

from labrys.detect.sigma.listing import LARGEST
from labrys.detect.sigma.parse.errors import Unusable

_INT64: Final = 1 << 63
_DEEPEST: Final = 50
_MANY_SIGNS: Final = 2000


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document of a rule file; `content` is empty where `problem` says why."""

    path: str
    content: Mapping[str, Any]
    problem: str = ""


def documents(path: str, content: bytes) -> Iterator[Document]:
    """The documents of one file, rule collections resolved; what is broken says so itself."""
    if len(content) > LARGEST:
        yield Document(path, {}, f"larger than {LARGEST >> 20} MiB, not a rule file")
        return
    shared: dict[str, Any] = {}
    previous: dict[str, Any] = {}
    for document in _loaded(path, content):
        action = document.content.get("action")
        made = copy.deepcopy(dict(document.content)) if shared or action else document.content
        if action is None:
            if shared and not {"correlation", "filter"} & made.keys():
                made = _updated(dict(made), shared)
            previous = dict(made)
            yield Document(path, made, document.problem)
        elif action == "global":
            made = dict(made)
            del made["action"]
            shared = previous = made
        elif action == "reset":
            shared = {}
        elif action == "repeat":
            previous = _updated(copy.deepcopy(previous), dict(made))
            previous.pop("action", None)
            yield Document(path, copy.deepcopy(previous))
        else:
            yield Document(path, made, f"unknown rule collection action `{action}`")


def _updated(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in over.items():
        if isinstance(value, Mapping):
            inner = base.get(key)
            base[key] = _updated(dict(inner) if isinstance(inner, Mapping) else {}, value)
        else:
            base[key] = value
    return base


def _loaded(path: str, content: bytes) -> Iterator[Document]:
    loader: Any = _Loader(content)
    try:
        if not _shallow(content):
            yield Document(path, {}, _TOO_DEEP)
            return
        while loader.check_data():
            loaded = loader.get_data()
            if loaded is None:
                continue
            if not isinstance(loaded, dict):
                yield Document(path, {}, "is not a YAML map")
                continue
            try:
                check_alias_expansion(loaded)
            except SigmaError as error:
                yield Document(path, {}, str(error))
                continue
            yield Document(path, {}, _TOO_DEEP) if _deep(loaded) else Document(path, loaded)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1})" if mark else ""
        yield Document(path, {}, f"is not valid YAML: {error.problem or error.context}{where}")
    except (yaml.YAMLError, Unusable, UnicodeError, ValueError) as error:
        yield Document(path, {}, f"is not valid YAML: {str(error).splitlines()[0]}")
    finally:
        loader.dispose()


_TOO_DEEP: Final = f"nests deeper than {_DEEPEST} levels"


def _shallow(content: bytes) -> bool:
    """Whether the text nests little enough to load: libyaml's loader recurses without a limit."""
    if sum(content.count(sign) for sign in (b"[", b"{", b"-", b"?")) < _MANY_SIGNS:
        return True
    depth = 0
    for event in yaml.parse(content, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                return False
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return True


def _deep(content: Any) -> bool:
    level = [content]
    for _ in range(_DEEPEST):
        level = [
            child
            for one in level
            for child in (one.values() if isinstance(one, dict) else one)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


class _Loader(yaml.CSafeLoader):
    """YAML as Sigma means it: text keys, no key twice, only plain numbers and truth values."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            self.flatten_mapping(node)
            return {_key(key): self.construct_object(value, deep) for key, value in node.value}
        made: dict[Any, Any] = {}
        for key, value in node.value:
            name = _key(key)
            if name in made:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key `{name}` appears twice", key.start_mark
                )
            made[name] = self.construct_object(value, deep)
        return made


def _key(node: Any) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise yaml.constructor.ConstructorError(None, None, "key is not text", node.start_mark)
    return str(node.value)


def _integer(loader: Any, node: Any) -> int | str:
    """A number only where its digits are the number's own: `007` and `0x17` are text in logs."""
    number = int(node.value)
    return number if str(number) == node.value and abs(number) < _INT64 else str(node.value)


def _fraction(loader: Any, node: Any) -> float | str:
    number = float(node.value)
    return number if repr(number) == node.value else str(node.value)


def _resolves(tag: str, expression: str, first: Sequence[str]) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(expression), list(first))


_resolves("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolves("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""])
_resolves("int", r"^-?[0-9]{1,20}$", "-0123456789")
_resolves("float", r"^-?[0-9]{1,20}\.[0-9]{1,20}$", "-0123456789")
_resolves("merge", r"^<<$", "<")
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _fraction)
