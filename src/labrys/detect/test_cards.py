"""Cards of the models that we ship: as the schema says, canaries asked, references there, on a page."""

import copy
import json
import re
import time
from html.parser import HTMLParser
from importlib import import_module
from importlib.resources import files

import pytest

from labrys.errors import ModelError
from labrys.guard import drift
from labrys.guard.page import as_html
from labrys.guard.shipped import shipped

SCHEMA = json.loads((files("labrys.model") / "card.schema.json").read_text("utf-8"))
CARDS = {each.detector: each.card for each in shipped()}
KINDS = {"object": dict, "array": list, "string": str, "number": (int, float), "integer": int}


def wrong(schema, value, where="card"):
    """What is wrong by the keywords that our schema uses (JSON Schema 2020-12); no other is known."""
    known = {
        "$schema", "title", "description", "type", "required", "properties", "additionalProperties",
        "propertyNames", "pattern", "minLength", "minProperties", "items", "minItems", "maxItems",
        "minimum", "maximum", "anyOf",
    }  # fmt: skip
    assert set(schema) <= known, set(schema) - known
    if "anyOf" in schema and all(list(wrong(one, value, where)) for one in schema["anyOf"]):
        yield f"{where}: is none of {len(schema['anyOf'])}"
    kind = KINDS.get(schema.get("type", ""))
    if kind and (not isinstance(value, kind) or isinstance(value, bool)):
        yield f"{where}: is no {schema['type']}"
        return
    if isinstance(value, dict):
        yield from _wrong_object(schema, value, where)
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{where}: has {len(value)} items"
        for at, one in enumerate(value):
            yield from wrong(schema.get("items", {}), one, f"{where}[{at}]")
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            yield f"{where}: is too short"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{where}: {value!r} is not {schema['pattern']}"
    if isinstance(value, int | float) and not (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
    ):
        yield f"{where}: {value} is out of bounds"


def _wrong_object(schema, value, where):
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{where}: has no {name}"
    if len(value) < schema.get("minProperties", 0):
        yield f"{where}: is empty"
    for name, one in value.items():
        yield from wrong(schema.get("propertyNames", {}), name, f"{where} name")
        inner = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
        if inner is False:
            yield f"{where}: {name} is not known"
        else:
            yield from wrong(inner, one, f"{where}.{name}")


@pytest.mark.parametrize("detector", CARDS)
def test_every_shipped_card_is_as_the_schema_says(detector):
    assert list(wrong(SCHEMA, CARDS[detector])) == []
    assert CARDS[detector]["name"] == detector


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card.pop("licence"), "has no licence"),
        (lambda card: card["thresholds"].update(low="much"), "is no number"),
        (lambda card: card["files"].update({"../x": {"bytes": 1, "sha256": "0" * 64}}), "is not"),
        (lambda card: card["reference"]["numbers"].pop("score"), "has no score"),
        (lambda card: card["canaries"].append({"ask": None, "answer": 1}), "is none of 2"),
    ],
)  # fmt: skip
def test_a_card_that_is_not_is_told(change, said):
    card = copy.deepcopy(CARDS["dga"])
    change(card)
    assert any(said in each for each in wrong(SCHEMA, card))


@pytest.mark.parametrize("detector", CARDS)
def test_every_shipped_model_has_canaries_and_a_reference(detector):
    card = CARDS[detector]
    assert len(card["canaries"]) >= 3
    assert len({each["answer"] for each in card["canaries"]}) > 1
    known = drift.of_card(card, detector)
    assert known.rows >= drift.LEAST
    assert all(sum(each.shares) == pytest.approx(1, abs=1e-4) for each in known.numbers.values())
    watched = import_module(f"labrys.detect.{detector}.watched")
    assert callable(watched.reads)


def test_canaries_cost_little(monkeypatch):
    """Less than 5 ms each; the best of several tries, so that a busy machine is no failure."""
    from labrys.detect.dga.model import model as dga
    from labrys.detect.evasion.score import model as evasion
    from labrys.detect.mail.score import shipped as mail
    from labrys.detect.prompt_injection.score import model as injection
    from labrys.detect.url.score import model as url
    from labrys.guard import canary

    spent = {}
    check = canary.check

    def timed(card, place, answer):
        tries = []
        for _ in range(5):
            begun = time.thread_time()
            check(card, place, answer)
            tries.append(time.thread_time() - begun)
        spent[place] = min(tries)

    monkeypatch.setattr(canary, "check", timed)
    for model in (dga, evasion, injection, mail, url):
        model.__wrapped__()
    assert len(spent) == 5
    assert max(spent.values()) < 0.005, spent


def test_a_model_whose_canary_answers_otherwise_is_not_used(tmp_path):
    import shutil
    from pathlib import Path

    from labrys.detect.evasion.score import folder, read

    shutil.copytree(Path(str(folder())), tmp_path, dirs_exist_ok=True)
    card = json.loads((tmp_path / "card.json").read_text())
    card["canaries"][0]["answer"] += 1
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="do not belong together"):
        read(tmp_path)
    (tmp_path / "card.json").write_text(
        json.dumps(json.loads((Path(str(folder())) / "card.json").read_text()))
    )
    (tmp_path / "ordinary.txt").write_text("other lines\n")
    with pytest.raises(ModelError, match=r"ordinary\.txt is not the file"):
        read(tmp_path)


class Elements(HTMLParser):
    """Which elements and attributes a page has."""

    def __init__(self):
        super().__init__()
        self.names, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_a_card_on_a_page_is_whole_and_escaped():
    page = as_html("dga", CARDS["dga"])
    for wanted in ("What it was trained on", "<rect", "Licence: Apache-2.0", "hexadecimal"):
        assert wanted in page
    hostile = "</title><script>alert(1)</script><img src=x onerror='y'>"
    nested = {"what": hostile, hostile: [{hostile: hostile}, [hostile]], "licence": hostile}
    for odd in (
        {
            "reference": {
                "numbers": {hostile: {"shares": [1], "edges": []}},
                "rows": 1,
                "source": hostile,
            }
        },
        {"reference": hostile},
        {"data": [[[[[[[[[[1]]]]]]]]]]},
    ):
        seen = Elements()
        seen.feed(as_html(hostile, {**nested, **odd}))
        assert not seen.names & {"script", "img", "link", "iframe"}
        assert not {name for name in seen.attributes if name.startswith("on")} | (
            seen.attributes & {"src", "href"}
        )
