"""Reads the public corpora that the model is trained and judged on, as raw messages with labels.

Where a corpus has bodies only, an envelope is put around them that says nothing: drawn in the same
way for good and for bad. What a list or a receiver added to headers stays; features do not read it.
"""

import hashlib
import json
import lzma
import mailbox
import re
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np

MANIFEST: Final = "train_manifest.toml"


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled message. `source` is its corpus, `fold` the corpora held out with it.

    `kind`: of ham list, business, newsletter, transactional, bounce, llm; of the rest spam, phish,
    scam, llm.
    """

    source: str
    fold: str
    kind: str
    bad: bool
    raw: bytes
    text_only: bool = False


def manifest() -> dict[str, dict[str, Any]]:
    """Name → file, licence, SHA-256, whether it may train a model that is shipped."""
    text = (files("labrys.detect.mail") / MANIFEST).read_text("utf-8")
    return dict(tomllib.loads(text)["corpus"])


def checked(root: Path, name: str) -> Path:
    """The file of a corpus; ValueError where it is not the one that the manifest describes."""
    said = manifest()[name]
    path = root / str(said["file"])
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != said["sha256"]:
        raise ValueError(f"{path} is not the file of the manifest: its SHA-256 is {found}")
    return path


def samples(root: Path, names: tuple[str, ...]) -> Iterator[Sample]:
    """The messages of these corpora, in the order of their files. `root` is the data folder."""
    for name in names:
        yield from _READERS[name](checked(root, name))


_FROM: Final = re.compile(rb"(?im)^From:.{0,200}?@(?:[\w-]+\.)*?([\w-]+\.\w+)[>\s]")
_NUMBER: Final = re.compile(r"-?\d+\.eml$")


def _half(name: str) -> str:
    return "ab"[hashlib.sha256(name.lower().encode()).digest()[0] % 2]


def _halved(found: "re.Match[bytes] | None") -> str:
    return _half(found[1].decode("ascii", "replace") if found else "")


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path, "r:xz") as archive:
        for member in archive:
            if member.isfile() and (stream := archive.extractfile(member)) is not None:
                yield member.name, stream.read()


def _spamassassin(path: Path) -> Iterator[Sample]:
    for name, raw in _members(path):
        if not name.endswith(".eml"):
            continue
        bad = name.startswith("spam/")
        kind = "spam" if bad else "newsletter" if "hard-ham" in name else "list"
        # No other corpus has newsletters: half of their senders are held out at a time.
        fold = (
            f"newsletters_{_halved(_FROM.search(raw))}" if kind == "newsletter" else "spamassassin"
        )
        yield Sample("spamassassin", fold, kind, bad, raw)


def _nvdimm(path: Path) -> Iterator[Sample]:
    for name, raw in _members(path):
        bad = name.startswith("spam/")
        yield Sample("list_nvdimm", "list_nvdimm", "spam" if bad else "list", bad, raw)


def _usrp(path: Path) -> Iterator[Sample]:
    for _, raw in _members(path):
        yield Sample("list_usrp", "modern_lists", "list", False, raw)


def _pot(path: Path) -> Iterator[Sample]:
    for _, raw in _members(path):
        yield Sample("phishing_pot", "phishing_pot", "phish", True, raw)


def _nazario(path: Path) -> Iterator[Sample]:
    for _, content in _members(path):
        with tempfile.NamedTemporaryFile(suffix=".mbox") as held:
            held.write(content)
            held.flush()
            for message in mailbox.mbox(held.name, create=False):
                raw = message.as_bytes()
                if b"FOLDER INTERNAL DATA" not in raw[:3000]:
                    yield Sample("nazario", "text_sets", "phish", True, raw)


def _bounces(path: Path) -> Iterator[Sample]:
    for name, raw in _members(path):
        if name.endswith(".eml"):
            # The programs that wrote them are the sources: half of them are held out at a time.
            program = _NUMBER.sub("", name.rpartition("/")[2])
            yield Sample("bounces", f"bounces_{_half(program)}", "bounce", False, raw)


def _postmark(path: Path) -> Iterator[Sample]:
    for number, (name, raw) in enumerate(_members(path)):
        if name.endswith(".html"):
            subject = name.split("/")[-2].replace("-", " ").capitalize()
            made = enveloped(subject, html=raw.decode("utf-8", "replace"), seed=number)
            yield Sample("postmark", "text_sets", "transactional", False, made, True)


def _enron(path: Path) -> Iterator[Sample]:
    import pyarrow.parquet as pq

    for number, row in enumerate(pq.read_table(path).to_pylist()):
        bad = row["label"] == 1
        raw = enveloped(row["subject"] or "", row["body"] or "", seed=number)
        box = row["source"]
        yield Sample(box, box, "spam" if bad else "business", bad, raw, True)


_LLM_KINDS: Final = {
    "llm_legit": "llm", "llm_legitimate": "llm", "valid": "business", "llm_phish": "llm",
    "llm_phishing": "llm", "phishing": "phish", "spam": "spam",
}  # fmt: skip


def _llm(path: Path) -> Iterator[Sample]:
    import pyarrow.parquet as pq

    for number, row in enumerate(pq.read_table(path).to_pylist()):
        raw = enveloped(row["subject"] or "", row["body"] or "", seed=number)
        kind = _LLM_KINDS[row["kind"]]
        yield Sample("llm_mail", "text_sets", kind, row["label"] == 1, raw, True)


def _lines(path: Path) -> Iterator[bytes]:
    with lzma.open(path) as stream:
        yield from stream


def _lurebench(path: Path) -> Iterator[Sample]:
    for number, line in enumerate(_lines(path)):
        row = json.loads(line)
        first, _, rest = row["text"].partition("\n")
        subject, body = (first.partition(":")[2], rest) if ":" in first[:20] else ("", row["text"])
        raw = enveloped(
            subject.strip(),
            body.replace("<<link>>", "https://www.example.com/a").strip(),
            seed=number,
        )
        yield Sample("lurebench", "text_sets", "llm", True, raw, True)


def _modern(path: Path) -> Iterator[Sample]:
    for line in _lines(path):
        row = json.loads(line)
        if row["label"] not in ("spam", "ham"):
            continue
        bad = row["label"] == "spam"
        kind = "spam" if bad else "list"
        yield Sample("modern_lists", "modern_lists", kind, bad, _rebuilt(row))


_OF_BODY: Final = ("content-type", "content-transfer-encoding", "mime-version", "subject")


def _rebuilt(row: dict[str, Any]) -> bytes:
    """A message of the record's header, texts and names of attachments (their content is gone)."""
    message = _body(row.get("text") or "", row.get("html") or "")
    for one in row.get("attachments") or ():
        main, _, sub = str(one.get("type") or "application/octet-stream").partition("/")
        if main in ("text", "message", "multipart") or not sub.isascii():
            main, sub = "application", "octet-stream"
        name = str(one.get("name") or "").encode("ascii", "replace").decode()
        message.add_attachment(b"", maintype=main, subtype=sub, filename=name or None)
    head = [f"{name}: {value}" for name, value in row["headers"] if name.lower() not in _OF_BODY]
    head.append("Subject: " + _one_line(row.get("subject") or ""))
    block = "\n".join(head).encode("utf-8", "replace") + b"\n"
    return block + _settled(message)


def enveloped(subject: str, text: str = "", html: str = "", *, seed: int) -> bytes:
    """A message around a body, with addresses that say nothing about it; half have no header."""
    message = _body(text, html)
    draw = np.random.default_rng([seed, 7])
    head = [f"Subject: {_one_line(subject)}"]
    if draw.random() < 0.5:
        head += addresses(draw)
    return "\n".join(head).encode("utf-8", "replace") + b"\n" + _settled(message)


_NAMES: Final = (
    *("Ana", "Ben", "Clara", "David", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jan", "Kofi"),
    *("Lena", "Marco", "Nina", "Omar", "Petra", "Quinn", "Rosa", "Sven", "Tara", "Uwe", "Yuki"),
)
_FAMILIES: Final = (
    *("Adler", "Brown", "Costa", "Diaz", "Egli", "Fischer", "Garcia", "Haas", "Ito", "Jones"),
    *("Keller", "Lopez", "Moser", "Nunez", "Okafor", "Patel", "Roth", "Silva", "Tanaka", "Weber"),
)


def addresses(draw: np.random.Generator) -> list[str]:
    """From, To, Date and Message-ID of nobody in particular."""
    first, last = str(draw.choice(_NAMES)), str(draw.choice(_FAMILIES))
    stem = "".join(draw.choice(list("abdefgiklmnoprstuv"), size=7).tolist())
    domain = f"{stem}.{draw.choice(['com', 'org', 'net', 'example', 'de', 'co.uk'])}"
    to = f"{str(draw.choice(_NAMES)).lower()}@{draw.choice(['home', 'work'])}.example"
    number = int(draw.integers(10**9))
    return [
        f"From: {first} {last} <{first.lower()}.{last.lower()}@{domain}>",
        f"To: {to}",
        f"Date: {int(draw.integers(1, 28))} Mar {int(draw.integers(2003, 2026))} 10:00:00 +0000",
        f"Message-ID: <{number}@mail.{domain}>",
    ]


def _body(text: str, html: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP.clone(linesep="\n"))
    if text.strip() or not html:
        message.set_content(_encodable(text), cte="base64")
        if html:
            message.add_alternative(_encodable(html), subtype="html", cte="base64")
    else:
        message.set_content(_encodable(html), subtype="html", cte="base64")
    return message


def _settled(message: EmailMessage) -> bytes:
    """The bytes of a message, the same each time: else what parts it is drawn by chance."""
    for number, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_part_{number}_=")
    return message.as_bytes()


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]


_READERS: Final = {
    "spamassassin": _spamassassin,
    "list_nvdimm": _nvdimm,
    "list_usrp": _usrp,
    "phishing_pot": _pot,
    "nazario": _nazario,
    "bounces": _bounces,
    "postmark": _postmark,
    "enron": _enron,
    "llm_mail": _llm,
    "lurebench": _lurebench,
    "modern_lists": _modern,
}
