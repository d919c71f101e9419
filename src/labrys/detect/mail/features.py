"""Records of messages → numbers: only what the sender controls, nothing a receiver or list added.

Threads, Received, Return-Path, list headers and dates are not looked at: they tell where a message
was kept, not what it is. `docs/add-a-detector.md` says what `add_only`, `free` and `hard` mean.
"""

from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.mail import claims, hosts
from labrys.detect.mail.columns import (
    Bools,
    Floats,
    Ints,
    Links,
    among,
    counts,
    each_distinct,
    links,
    mask,
    matches,
    numbers,
    parts,
    texts,
)
from labrys.detect.mail.known import KNOWN
from labrys.detect.mail.letters import folded
from labrys.detect.mail.text import Hashes, counted, phrases, words
from labrys.model.feature import Feature

WINDOW: Final = 100
"""Words among which requests are counted together."""
_TOPICS: Final[tuple[str, ...]] = tuple(KNOWN["words"])


def _more(name: str, what: str) -> Feature:
    return Feature(name, what, "add_only", 1)


def _sign(name: str, what: str) -> Feature:
    return Feature(name, what, "hard", 1)


IDENTITY: Final = (
    _sign("reply_elsewhere", "Reply-To goes to another domain than From"),
    _sign("reply_to_free_mail", "Reply-To is a free mailbox, From is not"),
    _sign("reply_other_free_mail", "Reply-To and From are different free mailboxes"),
    _sign("name_is_other_address", "the shown name is an address of another domain"),
    _sign("name_of_brand", "the shown name or the sender's domain bears a brand it is not of"),
    _sign("subject_of_brand", "the subject names a brand that the sender is not of"),
    _sign(
        "name_of_recipient",
        "the shown name is the recipient's address or domain, the sender's is another",
    ),
    _sign("subject_of_recipient", "so does the subject"),
    _sign(
        "name_unlike_domain",
        "the shown name is that of an office, and nothing of it is in the domain",
    ),
    _sign("from_malformed", "a sender is named, but with no address that mail can have"),
    _sign("from_free_mail", "sent from a free mailbox"),
    _sign("from_odd_ending", "sent from a domain whose ending is favoured by bulk registrations"),
    _sign("from_odd_name", "the sender's mailbox or domain looks made by a machine"),
    _sign("from_itself", "sender and recipient are the same address"),
    _sign("recipients_hidden", "no recipient is named"),
    _sign("auth_failed", "the sender is not who he says: found by the last organisation or by us"),
)
CONTENT: Final = (
    *(_more(f"says_{name}", f"words of {name.replace('_', ' ')}") for name in _TOPICS),
    *(
        _more(f"subject_{name}", f"words of {name.replace('_', ' ')} in the subject")
        for name in _TOPICS
    ),
    _more("topics", "how many of those kinds of words there are"),
    _more("money", "sums of money"),
    _more("free_mail_in_text", "free mailboxes named in the text"),
    _more("text_of_recipient", "the recipient's address in the text"),
    _more("coin_address", "an address for crypto-currency"),
    _more("phone_numbers", "telephone numbers"),
    _more("shouting", "runs of capitals and exclamation marks"),
    _more("disguised_words", "words written in letters of other alphabets"),
    _more("zero_width", "characters that are not seen"),
    _more("bidi_controls", "characters that turn the direction of reading"),
)
LINKS: Final = (
    _more("links_mismatched", "links that show another domain than they lead to"),
    _more("links_to_ip", "links to an address in numbers"),
    _more("links_with_user", "links with a user name in front of the host"),
    _more("links_elsewhere", "domains that links lead to, other than the sender's"),
    _more(
        "links_strange",
        "domains that links lead to, neither the sender's nor a brand's nor a mailer's",
    ),
    _more(
        "text_of_brand", "the text names brands that the sender is not, and links lead to strangers"
    ),
    _more("links_shortened", "links through a shortener"),
    _more("links_free_hosting", "links to where anybody can put up a page"),
    _more("links_odd_ending", "links to endings favoured by bulk registrations"),
    _more("links_odd_host", "links to hosts whose names look made by a machine"),
    _more("links_deep_host", "links to hosts of five labels and more"),
    _more("links_brand_in_host", "links to hosts that bear a brand they are not of"),
    _more("links_sign_in", "links whose path asks to sign in or verify"),
    _more("links_to_person", "links that carry a mailbox"),
    _more("links_to_program", "links to files that run or are archives"),
    _more("links_onward", "links through a redirector"),
    _more(
        "links_brand_elsewhere", "a brand is named, the sender is not it, and links go elsewhere"
    ),
    _more("links_qr", "links in QR codes"),
    _more("links_in_attachments", "links in attachments"),
)
HTML: Final = (
    _sign("html", "written in HTML"),
    _sign("picture_alone", "a picture to press, with hardly a word beside it"),
    _more("html_forms", "forms and fields"),
    _more("html_password", "fields for a password"),
    _more("html_scripts", "scripts"),
    _more("html_frames", "frames, refreshes and embedded objects"),
    _more("html_data", "data addresses"),
    _more("html_pictures", "pictures from outside"),
    _more("hidden", "hidden text, in powers of ten characters"),
)
ATTACHED: Final = (
    _more("attached_program", "attachments that run"),
    _more("attached_macro", "office files that may hold macros"),
    _more("attached_html", "HTML attached"),
    _more("attached_html_signs", "what HTML that is attached does"),
    _more("attached_archive", "archives"),
    _more("attached_locked", "encrypted attachments"),
    _more("attached_member_runs", "programs in archives"),
    _more("attached_tricks", "attachments that are not what their names say"),
    _more("attached_document", "documents"),
    _more("attached_calendar", "invitations"),
)
FEATURES: Final[tuple[Feature, ...]] = (*IDENTITY, *CONTENT, *LINKS, *HTML, *ATTACHED)
NAMES: Final = tuple(feature.name for feature in FEATURES)

_MOST: Final = 5.0
_FEW_WORDS: Final = 12
_ADDRESS: Final = r"^[^@\s,;]+@[^@\s,;]+$"
_PROGRAM: Final = (
    "exe|scr|pif|bat|cmd|ps1|vbs|vbe|js|jse|wsf|wsh|hta|lnk|msi|jar|cpl|iso|img|vhdx?|chm|scf"
    "|url|xll|one|mht|mhtml|apk|dll|reg"
)
_MACRO: Final = "docm|xlsm|pptm|dotm|xlam|ppam|xlsb|doc|xls|rtf"
_ARCHIVE: Final = "zip|rar|7z|gz|tar|ace|cab|arj|z|tgz|xz|bz2|r00|lzh"
_DOCUMENT: Final = "pdf|docx|xlsx|pptx|doc|xls|rtf|odt"
_SIGN_IN: Final = (
    r"(?i)[/?&=._-](?:log-?in|sign-?in|verif|secur|account|update|confirm|password|webmail|wp-content"
    r"|wp-includes|wp-admin|cgi-bin|owa|auth|unlock|suspend|recover|billing|invoice)"
)
_FREE_IN_TEXT: Final = (
    r"(?i)@ ?(?:gmail|googlemail|yahoo|ymail|hotmail|outlook|live|aol|gmx|mail|yandex|proton|protonmail"
    r"|tutanota|zoho|qq|163|126|foxmail|rocketmail|consultant|rediffmail|icloud|usa|email)\.[a-z]"
)


class Seen:
    """A table of `mail.message`, and what several features and the explanation look at."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.rows = table.num_rows
        self.subject, _ = folded(texts(table, "subject"))
        visible = texts(table, "text_visible")
        self.visible, self.disguised = folded(visible)
        self.raw = visible
        self.links: Links = links(table)
        self.name_brands = claims.brands_named(texts(table, "from_name"))
        self.subject_brands = claims.brands_named(texts(table, "subject"))
        self.subject_words = words(self.subject)
        self.visible_words = words(self.visible)


def matrix(seen: Seen) -> Floats:
    """The features of each message, in the order of `FEATURES`; NaN where there is no header."""
    made = {**_identity(seen), **_content(seen), **_links(seen), **_html(seen), **_attached(seen)}
    return np.column_stack([np.minimum(made[name], _MOST) for name in NAMES])


def _identity(seen: Seen) -> dict[str, Floats]:
    table = seen.table
    sender, domain, reply, reply_domain = _senders(table)
    to, name = texts(table, "to"), texts(table, "from_name")
    named = mask(pc.not_equal(sender, ""))
    free = among(domain, hosts.FREE_MAIL)
    answers = mask(pc.not_equal(reply_domain, ""))
    # A list that takes the answers is named among the recipients as well.
    listed = np.array(
        [bool(one) and one in all_ for one, all_ in zip(reply.to_pylist(), to.to_pylist(), strict=True)],
        bool,
    )  # fmt: skip
    other = answers & ~listed & mask(pc.not_equal(reply_domain, domain)) & named
    reply_free = among(reply_domain, hosts.FREE_MAIL)
    own = domain.to_pylist()
    in_name = pc.replace_substring_regex(
        pc.utf8_lower(name), r"^.*@(?:[\w-]+\.)*?([\w-]+\.[a-z]{2,})\W*$", r"\1"
    )
    address_shown = mask(pc.match_substring(name, "@")) & mask(
        pc.invert(pc.match_substring_regex(in_name, "@"))
    )
    fails = matches(texts(table, "auth_dmarc"), "^(?:fail|reject)") + (
        matches(texts(table, "auth_spf"), "^(?:fail|softfail)")
        * (1 - matches(texts(table, "auth_dkim"), "^pass"))
    )
    fails += matches(texts(table, "own_dmarc"), "^fail$") * matches(
        texts(table, "own_dmarc_policy"), "^(?:reject|quarantine)$"
    )
    # Behind + or = stands whom it is for, not who it is from: VERP, BATV, SRS, sub-addresses.
    local = pc.replace_substring_regex(sender, "[+=@].*$", "")
    odd = each_distinct(domain, hosts.odd_label) + counts(local, r"\d{3,}", 1)
    nobody = mask(pc.equal(to, "")) & mask(pc.equal(texts(table, "cc"), ""))
    made = {
        "reply_elsewhere": other,
        "reply_to_free_mail": other & reply_free & ~free,
        "reply_other_free_mail": reply_free & free & mask(pc.not_equal(reply, sender)) & ~listed,
        "name_is_other_address": address_shown
        & np.array([a != b for a, b in zip(in_name.to_pylist(), own, strict=True)], bool),
        "name_of_brand": np.array([hosts.strange(a, b) for a, b in zip(seen.name_brands, own, strict=True)], float)
        + each_distinct(domain, lambda host: bool(hosts.apes(host))),
        "subject_of_brand": np.array([hosts.strange(a, b) for a, b in zip(seen.subject_brands, own, strict=True)], float),
        **claims.recipient(to, name, texts(table, "subject"), domain),
        "name_unlike_domain": claims.unlike(name, domain),
        "from_free_mail": free,
        "from_odd_ending": each_distinct(domain, hosts.odd_ending),
        "from_odd_name": odd,
        "from_itself": mask(pc.equal(sender, to)) & named,
        "recipients_hidden": nobody,
        "auth_failed": np.minimum(fails, 1),
    }  # fmt: skip
    nothing = ~named
    for key, value in made.items():
        number = np.asarray(value, np.float64)
        number[nothing] = np.nan
        made[key] = number
    unnamed = nothing & mask(pc.equal(name, ""))
    made["from_malformed"] = np.where(unnamed, np.nan, 1 - matches(sender, _ADDRESS))
    return made


def _senders(table: pa.Table) -> tuple[pa.Array, pa.Array, pa.Array, pa.Array]:
    """Address and domain of the sender and of where answers go.

    A list that writes in its own name (RFC 7960) puts the author into Reply-To: then he is meant.
    """
    sender, domain = texts(table, "from_address"), texts(table, "from_domain")
    reply, reply_domain = texts(table, "reply_to_address"), texts(table, "reply_to_domain")
    listed = mask(pc.not_equal(texts(table, "list_id"), ""))
    pairs = zip(sender.to_pylist(), texts(table, "to").to_pylist(), strict=True)
    own_name = np.array([bool(one) and one in all_ for one, all_ in pairs], bool) & listed
    author = pa.array(own_name & mask(pc.not_equal(reply, "")))
    nothing = pa.repeat(pa.scalar("", pa.string()), table.num_rows)
    return (
        pc.if_else(author, reply, sender),
        pc.if_else(author, reply_domain, domain),
        pc.if_else(author, nothing, reply),
        pc.if_else(author, nothing, reply_domain),
    )


@cache
def _topics() -> tuple[Hashes, Ints]:
    """The sorted hashes of the words of all topics, and the topic of each."""
    each = [phrases(KNOWN["words"][name]) for name in _TOPICS]
    hashes = np.concatenate(each)
    topic = np.repeat(np.arange(len(each)), [len(one) for one in each])
    order = np.argsort(hashes, kind="stable")
    return hashes[order], topic[order]


def _content(seen: Seen) -> dict[str, Floats]:
    hashes, topic = _topics()
    said = counted(seen.visible_words, hashes, topic, len(_TOPICS), WINDOW)
    subject = np.minimum(counted(seen.subject_words, hashes, topic, len(_TOPICS), WINDOW), 2)
    made: dict[str, Floats] = {}
    for at, name in enumerate(_TOPICS):
        made[f"says_{name}"] = said[:, at]
        made[f"subject_{name}"] = subject[:, at]
    said = said + subject
    raw = seen.raw
    made["topics"] = (said > 0).sum(axis=1).astype(np.float64)
    made["money"] = counts(raw, r"(?i)[$€£] ?\d|\d ?(?:usd|eur|gbp|dollars|million|euros)\b", 4)
    made["free_mail_in_text"] = counts(raw, _FREE_IN_TEXT, 2)
    made["text_of_recipient"] = claims.own_address(texts(seen.table, "to"), raw)
    made["coin_address"] = counts(raw, r"\b(?:bc1[a-z0-9]{25,60}|[13][A-HJ-NP-Za-km-z1-9]{25,34}|0x[0-9a-fA-F]{40})\b", 1)  # fmt: skip
    made["phone_numbers"] = counts(raw, r"(?:\+|\b1[-. (])[\d(). -]{9,18}\d|\(\d{3}\) ?\d{3}[-. ]\d{4}|\b\d{3}[-.]\d{3}[-.]\d{4}\b", 2)  # fmt: skip
    made["shouting"] = counts(raw, r"(?:\b[A-Z]{3,} ){3,}|!{2,}", 4)
    made["disguised_words"] = np.log2(1 + seen.disguised.astype(np.float64))
    made["zero_width"] = np.log10(1 + numbers(seen.table, "zero_width"))
    made["bidi_controls"] = np.minimum(numbers(seen.table, "bidi_controls"), 1)
    return made


def _links(seen: Seen) -> dict[str, Floats]:
    table, held, rows = seen.table, seen.links, seen.rows
    pressed = held.pressed
    host, href = held.column["hosts"], held.column["hrefs"]
    target = held.column["targets"]
    own = texts(table, "from_domain")
    theirs = own.take(pa.array(held.row))
    elsewhere = (
        pressed & mask(pc.not_equal(held.domain, theirs)) & mask(pc.not_equal(held.domain, ""))
    )
    brand = [one or other for one, other in zip(seen.name_brands, seen.subject_brands, strict=True)]
    strange = np.array(
        [hosts.strange(a, b) for a, b in zip(brand, own.to_pylist(), strict=True)], bool
    )
    led_to = zip(held.row.tolist(), held.domain.to_pylist(), strict=True)
    of_brand = np.array([not hosts.strange(brand[row], domain) for row, domain in led_to], bool)
    stranger = elsewhere & claims.strangers(held.domain, theirs)
    outside = elsewhere & ~claims.same_firm(held.domain, theirs)
    path = pc.replace_substring_regex(href, r"^[a-zA-Z]+://[^/?#]*", "")
    led = pc.if_else(pc.equal(target, ""), href, target)
    web = matches(held.column["schemes"], "^https?$")

    def of(hit: Floats, among: Bools = pressed) -> Floats:
        return np.log2(1 + held.count(hit * among, rows))

    return {
        "links_mismatched": numbers(table, "links_mismatched"),
        "links_to_ip": numbers(table, "links_to_ip"),
        "links_with_user": numbers(table, "links_with_user"),
        "links_elsewhere": _distinct(held, elsewhere, rows),
        "links_strange": _distinct(held, stranger, rows),
        "text_of_brand": claims.brands_in_text(seen.visible_words, own, WINDOW) * (held.count(stranger, rows) > 0),
        "links_shortened": of(each_distinct(host, hosts.shortener), outside),
        "links_free_hosting": of(each_distinct(host, hosts.free_hosting), outside),
        "links_odd_ending": of(each_distinct(held.domain, hosts.odd_ending)),
        "links_odd_host": of(each_distinct(host, hosts.odd_label)),
        "links_deep_host": of(each_distinct(host, hosts.deep)),
        "links_brand_in_host": of(each_distinct(host, lambda one: bool(hosts.apes(one)))),
        "links_sign_in": of(matches(path, _SIGN_IN)),
        "links_to_person": of(web * matches(path, r"[\w.+-]{1,60}(?:@|%40)[\w-]{1,60}\.\w")),
        "links_to_program": of(matches(led, rf"(?i)[^/:]/[^/?#]+\.(?:{_PROGRAM}|{_ARCHIVE})(?:[?#]|$)")),
        "links_onward": of(mask(pc.not_equal(target, "")).astype(np.float64)),
        "links_brand_elsewhere": np.minimum(
            held.count(pressed & strange[held.row] & ~of_brand, rows), 1
        ),
        "links_qr": numbers(table, "links_qr"),
        "links_in_attachments": np.log2(1 + numbers(table, "links_in_attachments")),
    }  # fmt: skip


def _distinct(held: Links, hit: Bools, rows: int) -> Floats:
    """How many domains of each row are hit, each counted once."""
    coded = held.domain.dictionary_encode()
    width = len(coded.dictionary) + 1
    key = held.row * width + np.asarray(coded.indices.to_numpy(zero_copy_only=False), np.int64)
    once = np.unique(key[hit])
    return np.bincount(once // width, minlength=rows).astype(np.float64)


def _html(seen: Seen) -> dict[str, Floats]:
    table = seen.table

    def count(*names: str) -> Floats:
        total: Floats = np.zeros(seen.rows)
        for name in names:
            total = total + numbers(table, name)
        return total

    pictures = count("html_images_outside", "html_images_inside") > 0
    pressed = seen.links.count(seen.links.pressed, seen.rows) > 0
    said = np.bincount(seen.visible_words.text, minlength=seen.rows)
    return {
        "html": (count("html_tags") > 0).astype(np.float64),
        "picture_alone": (pictures & pressed & (said <= _FEW_WORDS)).astype(np.float64),
        "html_forms": count("html_forms", "html_inputs"),
        "html_password": count("html_password_inputs"),
        "html_scripts": count("html_scripts"),
        "html_frames": count("html_iframes", "html_refreshes", "html_embedded"),
        "html_data": count("html_data_uris"),
        "html_pictures": np.log2(1 + count("html_images_outside")),
        "hidden": np.log10(1 + count("hidden_length")),
    }


def _attached(seen: Seen) -> dict[str, Floats]:
    table, rows = seen.table, seen.rows
    endings = parts(table, "attachment_extensions")
    members = parts(table, "attachment_members")
    kinds = texts(table, "attachment_types")

    def ending(wanted: str) -> Floats:
        return endings.any(matches(endings.value, f"^(?:{wanted})$"), rows)

    signs = parts(table, "attachment_html_signs")
    tricks = parts(table, "attachment_tricks")
    return {
        "attached_program": ending(_PROGRAM + "|com")
        + matches(kinds, "x-msdownload|x-dosexec|x-msi"),
        "attached_macro": ending(_MACRO),
        "attached_html": np.maximum(ending("html?|shtml|xhtml|svg"), matches(kinds, "text/html")),
        "attached_html_signs": np.bincount(signs.row, minlength=rows).astype(np.float64),
        "attached_archive": ending(_ARCHIVE),
        "attached_locked": numbers(table, "attachments_encrypted"),
        "attached_member_runs": members.any(
            matches(members.value, rf"(?i)\.(?:{_PROGRAM})$"), rows
        ),
        "attached_tricks": np.bincount(tricks.row, minlength=rows).astype(np.float64),
        "attached_document": ending(_DOCUMENT),
        "attached_calendar": matches(kinds, "text/calendar"),
    }
