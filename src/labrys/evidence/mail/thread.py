"""Tells what a message says from what it quotes, by the marks that mail programs leave.

Three marks, in whatever language: lines behind `>`; a line that names an author and a date and ends
with a colon, before a quotation; and a block of a copied header (`From: … Sent: … Subject: …`).
"""

import re
from typing import Final

from labrys.evidence.mail.lists import words

_LONGEST_LINE: Final = 400
_QUOTED: Final = re.compile(r"[ \t]{0,3}(?:>|\|\s?>)")
_RULE: Final = re.compile(
    r"\s{0,4}(?:[-_=*]{2,60}\s{0,3}[^\n]{3,60}?\s{0,3}[-_=*]{2,60}|_{10,100}|-{20,100})\s*\Z"
)
_LABEL: Final = re.compile(
    r"\s{0,4}[*_]{0,2}([^\W\d_][^:：\n]{0,28}?)[*_]{0,2}\s{0,2}[:：][*_]{0,2}\s*(\S.*)?\Z"
)
_FROM: Final = words("from_labels") | {"보낸 사람"}
_DATE: Final = re.compile(
    r"\d{1,2}[:.h]\d{2}|\b(?:19|20)\d{2}\b|\d{4}年|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}"
)
_VERB: Final = re.compile(
    r"\b(?:wrote|writes|schrieb|écrit|scritto|escribió|escreveu|schreef|skrev|kirjoitti|napsal|napísal"
    r"|napisał(?:\(a\)|a)?|написала?|пише|пишет|написав|yazdı|írta|scris|έγραψε|menulis|viết|כתב|كتب)\b"
    r"|写道|寫道|書きました|のメール|작성",
    re.I,
)


def split(text: str) -> tuple[str, str, str]:
    """What the message says itself, what it quotes, and how that was told ("" when it does not).

    How: `angle` (lines behind >), `attribution` (a line before all the rest), `header` (a copied
    header before all the rest).
    """
    if not _may_quote(text):
        return text.strip(), "", ""
    lines = text.split("\n")
    cut, how = _cut(lines)
    current, quoted = lines[:cut], lines[cut:]
    kept, behind = _angles(current)
    if behind:
        how = f"{how} angle".strip()
    return "\n".join(kept).strip(), "\n".join((*behind, *quoted)).strip(), how


def _may_quote(text: str) -> bool:
    """Whether anything in the text could begin a quotation: most messages are done with here."""
    return "\n>" in text or text.startswith(">") or ":" in text or "：" in text or "\n |" in text


def _cut(lines: list[str]) -> tuple[int, str]:
    """The line from which all is quoted, and why; the number of lines when there is none."""
    for at, line in enumerate(lines):
        colon = ":" in line or "：" in line
        if not colon or len(line) > _LONGEST_LINE:
            continue
        if _copied_header(lines, at):
            return _with_rule(lines, at), "header"
        stripped = line.rstrip(" \t\r*_")
        if stripped.endswith((":", "：")) and _attributes(lines, at, stripped):
            return _attribution_start(lines, at), "attribution"
    return len(lines), ""


def _copied_header(lines: list[str], at: int) -> bool:
    """Whether a block of at least three labels, From or a word for it first, begins at a line."""
    found = _LABEL.match(lines[at])
    if found is None or found[1].strip().lower() not in _FROM or _QUOTED.match(lines[at]):
        return False
    labels, dated, blank = 1, False, 0
    for line in lines[at + 1 : at + 12]:
        if not line.strip():
            blank += 1
            if blank > 1:
                break
            continue
        more = _LABEL.match(line[:_LONGEST_LINE])
        if more is not None:
            labels += 1
            dated = dated or _DATE.search(line[:_LONGEST_LINE]) is not None
    return labels >= 3 and dated


def _with_rule(lines: list[str], at: int) -> int:
    """A line such as `----- Original Message -----` before the header belongs to it."""
    above = at - 1
    while above >= 0 and at - above <= 3 and not lines[above].strip():
        above -= 1
    return above if above >= 0 and _RULE.match(lines[above][:200]) else at


def _attributes(lines: list[str], at: int, line: str) -> bool:
    """Whether a line that ends with a colon says who wrote what follows."""
    whole = " ".join((*lines[_attribution_start(lines, at) : at], line))
    if not _DATE.search(whole) and "@" not in whole:
        return False
    if _VERB.search(whole) is None:
        return False
    below = next((one for one in lines[at + 1 : at + 6] if one.strip()), "")
    return not _QUOTED.match(below)  # those are told line by line, for answers stand between them


def _attribution_start(lines: list[str], at: int) -> int:
    """The first line of a saying that may be wrapped over up to three."""
    start = at
    while start > 0 and at - start < 2 and lines[start - 1].strip():
        if _DATE.search(lines[start][:_LONGEST_LINE]) and "@" in " ".join(lines[start : at + 1]):
            break
        if lines[start - 1].rstrip().endswith((".", "!", "?", ":", ",\r")):
            break
        if not (_DATE.search(lines[start - 1][:_LONGEST_LINE]) or "@" in lines[start - 1]):
            break
        start -= 1
    return start


def _angles(lines: list[str]) -> tuple[list[str], list[str]]:
    """The lines that are not behind `>`, and those that are, with who is said to have written them."""
    kept: list[str] = []
    behind: list[str] = []
    fresh = False
    for line in lines:
        if line[:5].lstrip().startswith((">", "|")) and _QUOTED.match(line):
            if kept and not fresh:
                _move_attribution(kept, behind)
            fresh = True
            behind.append(line)
        else:
            kept.append(line)
            fresh = False
    return kept, behind


def _move_attribution(kept: list[str], behind: list[str]) -> None:
    """`On … somebody wrote:` above a quotation goes with it."""
    last = len(kept) - 1
    while last >= 0 and len(kept) - last <= 2 and not kept[last].strip():
        last -= 1
    if last < 0 or not kept[last].rstrip(" \t\r*_").endswith((":", "：", "...", "…")):
        return
    first = _attribution_start(kept, last)
    said = " ".join(kept[first : last + 1])
    if len(said) <= _LONGEST_LINE and ("@" in said or _VERB.search(said) or _DATE.search(said)):
        behind += kept[first : last + 1]
        del kept[first:]
