"""Spear-phishing in a mailbox: what relations add to the text, with LLM-like ham beside it.

`python -m bench mail_relation [--data DIR]`. A mailbox is a list archive in the order of time, mail of
20 made-up correspondents, mail of strangers (newsletters, receipts, business, polite LLM-like), and
attacks: known names at new addresses, look-alike domains, changed answers, strangers. Attacks and made-up
ham are from templates kept for testing; the threshold is set on another mailbox, of another list and
the other templates. The made-up part is simulated.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis
import numpy as np
import pyarrow as pa

from bench.mail import DATA, wilson
from labrys.detect.mail.score import judged as by_text
from labrys.detect.mail.train_corpora import samples
from labrys.detect.mail.train_made import Part, Template, message, templates
from labrys.detect.mail.train_rows import read_messages
from labrys.detect.mail_relation.features import features
from labrys.detect.mail_relation.score import judged, relations

Draw = np.random.Generator
WAYS: Final = ("name borrowed", "look-alike domain", "answers elsewhere", "stranger")
_ADDED: Final = ("-office", "-mail", "s", "-team", "-hq", "-invoice", "-online", "inc")
_DAY: Final = 86_400_000
_BEGIN: Final = 1_600_000_000_000
_OWNER: Final = "olivia.brandt@brandt-legal.example"
COLUMNS: Final = {
    "email_from": "from_address", "email_from_mailbox": "from_name", "src_endpoint_domain": "from_domain",
    "email_reply_to": "reply_to_address", "email_to": "to", "email_subject": "subject",
    "message": "text_visible",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Put:
    """A message of the mailbox: when, what it is, whether it is an attack."""

    time: int
    raw: bytes
    kind: str
    attack: str = ""


def main(arguments: list[str]) -> int:
    """Print recall at 1 % of the mailbox's ham, by way of attack and kind of ham."""
    parser = argparse.ArgumentParser(prog="python -m bench mail_relation", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    asked = parser.parse_args(arguments)
    if not (asked.data / "mail").is_dir():
        print(f"skipped: no corpora in {asked.data}")
        return 1
    limits = {}
    for part, corpus in (("train", "list_nvdimm"), ("test", "list_usrp")):
        box = list(mailbox(asked.data, corpus, "train" if part == "train" else "test"))
        points, text = measured(box)
        attack = np.array([bool(one.attack) for one in box])
        for name, value in (("relations and text", points), ("text alone", text)):
            if part == "train":
                limits[name] = float(np.quantile(value[~attack], 0.99, method="higher"))
                continue
            print(
                f"\n{name}: threshold {limits[name]:.2f} set on the other mailbox (1 % of its ham)"
            )
            _table(box, value, limits[name])
            own = float(np.quantile(value[~attack], 0.99, method="higher"))
            print(f"  all attacks at 1 % of this mailbox {wilson(int((value[attack] > own).sum()), int(attack.sum()))}")  # fmt: skip
    return 0


def _table(box: list[Put], value: np.ndarray, limit: float) -> None:
    for name in (*WAYS, ""):
        mine = np.array([one.attack == name if name else bool(one.attack) for one in box])
        print(f"  attack {name or 'all':18} {wilson(int((value[mine] > limit).sum()), int(mine.sum()))}")  # fmt: skip
    for kind in sorted({one.kind for one in box if not one.attack}):
        mine = np.array([one.kind == kind and not one.attack for one in box])
        print(f"  ham    {kind:18} {wilson(int((value[mine] > limit).sum()), int(mine.sum()))}")


def measured(box: list[Put]) -> tuple[np.ndarray, np.ndarray]:
    """Points of each message by relations and text (lowest where nothing is odd), and by text."""
    table = read_messages([one.raw for one in box])
    text = by_text(table).margin
    view = seen_as_view(table, [one.time for one in box])
    expression = features(ibis.table(ibis.schema(dict(_schema())), name="email_activity"))
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("email_activity", view)
        rows = database.sql(str(ibis.to_sql(expression, "duckdb"))).to_arrow_table()
    messages = rows.filter(pa.compute.equal(rows["kind"], "message")).combine_chunks()
    known = rows.filter(pa.compute.equal(rows["kind"], "domain"))
    points, _, _ = judged(messages, relations(messages, known))
    made = np.full(len(box), -9.0)
    at = {id_: n for n, id_ in enumerate(table["_id"].to_pylist())}
    for id_, value in zip(messages["_id"].to_pylist(), points.tolist(), strict=True):
        made[at[id_]] = value
    return made, text


def _schema() -> Iterator[tuple[str, str]]:
    yield from (("_id", "string"), ("_source", "string"), ("_shape", "string"))
    yield from (("_offset", "int64"), ("_time", "int64"))
    yield from ((name, "string") for name in COLUMNS)


def seen_as_view(table: pa.Table, times: list[int]) -> pa.Table:
    """Rows of `mail.message` as the view `email_activity` shows them."""
    made: dict[str, Any] = {name: table[name] for name in ("_id", "_source", "_offset")}
    made["_time"] = pa.array(times, pa.int64())
    made["_shape"] = ["mail.message"] * len(times)
    for name, column in COLUMNS.items():
        made[name] = table[column].cast(pa.string())
    return pa.table(made)


def mailbox(root: Path, corpus: str, part: Part) -> Iterator[Put]:
    """All messages of a mailbox, in the order of time."""
    draw = np.random.default_rng([11, part == "train"])
    listed = [one.raw for one in samples(root, (corpus,)) if not one.bad][:2000]
    put = [Put(_BEGIN + n * _DAY // 6, raw, "list") for n, raw in enumerate(listed)]
    end = len(listed) // 6
    people = [_person(n, part) for n in range(20)]
    good = [one for one in templates(part) if not one.bad]
    talk = [one for one in good if one.kind in ("business", "llm")]
    for n, (name, address) in enumerate(people):
        for _ in range(10):
            time = _BEGIN + int(draw.integers(5, end)) * _DAY
            chosen = talk[int(draw.integers(len(talk)))]
            sender = f"{name} <{address}>"
            raw = message(chosen, draw, part, sender=sender, to=_OWNER)
            put.append(Put(time, raw, f"known, {chosen.kind}"))
        if n % 2:
            raw = message(talk[0], draw, part, sender=f"Olivia Brandt <{_OWNER}>", to=address)
            put.append(Put(_BEGIN + 4 * _DAY + n, raw, "written"))
    for n in range(400):
        chosen = good[n % len(good)]
        time = _BEGIN + int(draw.integers(10, end)) * _DAY
        raw = message(chosen, draw, part, to=_OWNER, sender=_stranger(chosen, draw))
        put.append(Put(time, raw, f"stranger, {chosen.kind}"))
    lures = [one for one in templates(part) if one.bad and one.kind in ("llm", "bec")]
    for n in range(240):
        way = WAYS[n % len(WAYS)]
        time = _BEGIN + int(draw.integers(end // 2, end)) * _DAY + n
        raw = _attack(lures[n // 4 % len(lures)], way, people[n // 4 % 20], draw, part)
        put.append(Put(time, raw, "attack", way))
    yield from sorted(put, key=lambda one: (one.time, one.raw))


def _person(n: int, part: Part) -> tuple[str, str]:
    first = ("Marta", "Pavel", "Ingrid", "Tomas", "Elena")[n % 5]
    last = ("Kovacs", "Lindqvist", "Moretti", "Schuster")[n // 5]
    firm = ("hartwig-partner", "solenta", "bluequarry", "northmill", "vasari")[(n + n // 5) % 5]
    return (
        f"{first} {last}",
        f"{first}.{last}@{firm}{'group' if part == 'train' else ''}.com".lower(),
    )


def _stranger(chosen: Template, draw: Draw) -> str:
    """A name and an address that nobody else has."""
    parts = ("ba", "ko", "ri", "ten", "sal", "mo", "vi", "dar", "lu", "pe", "nor", "gi", "ze", "fa")
    first, last, firm = ("".join(draw.choice(parts, size=3).tolist()).title() for _ in range(3))
    ending = draw.choice(["com", "org", "de", "ch", "co.uk"])
    if chosen.kind in ("business", "llm"):
        return f"{first} {last} <{first}.{last}@{firm}.{ending}>"
    return f"{firm} <{draw.choice(['news', 'info', 'no-reply', 'service'])}@{firm}.{ending}>"


def _attack(lure: Template, way: str, person: tuple[str, str], draw: Draw, part: Part) -> bytes:
    name, address = person
    box, _, domain = address.partition("@")
    stem = domain.partition(".")[0]
    new = {
        "name borrowed": f"{name} <{box.replace('.', '')}{draw.integers(99)}@gmail.com>",
        "look-alike domain": f"{name} <{box}@{stem.replace('l', '1', 1)}{draw.choice(_ADDED)}.{draw.choice(['com', 'net', 'co'])}>",
        "answers elsewhere": f"{name} <{address}>",
    }.get(way)
    if new is None:
        return message(lure, draw, part, to=_OWNER)
    raw = message(lure, draw, part, sender=new, boss=name, to=_OWNER)
    if way == "answers elsewhere":
        kept = b"\n".join(line for line in raw.split(b"\n") if not line.startswith(b"Reply-To:"))
        return f"Reply-To: {box.replace('.', '')}{draw.integers(99)}@outlook.com\n".encode() + kept
    return raw


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
