"""What a message's own row says of its links and attachments, so that one row can be judged alone.

The columns of `link_` are aligned: the nth value of each is of the same link, "" where it has none.
"""

from typing import Any, Final

MOST: Final = 100
"""Links, and attachments, of which a message's row speaks."""
_MOST_MEMBERS: Final = 200
_LINKS: Final = (
    *(("link_hrefs", "href"), ("link_texts", "text"), ("link_hosts", "host")),
    *(("link_domains", "domain"), ("link_targets", "target")),
    *(("link_target_domains", "target_domain"), ("link_shown_domains", "shown_domain")),
    *(("link_kinds", "kind"), ("link_schemes", "scheme")),
)
_COUNTS: Final = (
    *(("links_with_user", "has_user"), ("links_hidden", "is_hidden")),
    *(("links_quoted", "is_quoted"), ("links_in_attachments", "attachment")),
)
_FETCHED: Final = frozenset(("img", "embedded", "comment"))
_PRESSED: Final = frozenset(("a", "area"))
_SIGNS: Final = (
    *(("html_forms", "form"), ("html_password_inputs", "password input")),
    *(("html_scripts", "script"), ("html_data_uris", "data address")),
)


def of_links(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns of `mail.message` from the rows of `mail.link` that belong to it."""
    if not found:
        return {}
    kept = found
    if len(found) > MOST:  # pictures last: a hundred of them must not push out what is pressed
        kept = sorted(found, key=lambda row: row["kind"] in _FETCHED)[:MOST]
    made: dict[str, Any] = {}
    for column, name in _LINKS:
        values = [row[name] or "" for row in kept]
        if any(values):
            made[column] = values
    for column, name in _COUNTS:
        made[column] = sum(1 for row in found if row[name]) or None
    made["links_qr"] = sum(1 for row in found if row["kind"] == "qr") or None
    made["links_to_ip"] = sum(map(_to_ip, found)) or None
    made["links_mismatched"] = sum(map(_mismatched, found)) or None
    return made


def _to_ip(row: dict[str, Any]) -> bool:
    host = row["target_host"]
    return not row["target_domain"] and "." in host if host else row["ip"] is not None


def _mismatched(row: dict[str, Any]) -> bool:
    """Whether a link shows one registered domain and, redirectors followed, leads to another."""
    shown = row["shown_domain"]
    if not shown or row["kind"] not in _PRESSED:
        return False
    leads = row["target_domain"] or row["target_host"] or row["domain"] or row["host"]
    return bool(leads) and leads != shown and row["domain"] != shown


def of_attachments(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns of `mail.message` from the rows of `mail.attachment` that belong to it."""
    if not rows:
        return {}
    kept = rows[:MOST]
    return {
        "attachment_names": [row["name"] for row in kept if row["name"]],
        "attachment_extensions": _distinct([row["extension"] for row in kept]),
        "attachment_types": _distinct([row["sniffed_type"] or row["content_type"] for row in kept]),
        "attachment_tricks": _distinct([one for row in kept for one in row["tricks"]]),
        "attachment_members": _distinct([one for row in kept for one in row["members"]])[
            :_MOST_MEMBERS
        ],
        "attachment_html_signs": _distinct([one for row in kept for one in _signs(row)]),
        "attachments_encrypted": sum(1 for row in rows if row["is_encrypted"]) or None,
    }


def _signs(row: dict[str, Any]) -> list[str]:
    """What HTML in an attachment does: the calls that smuggling needs, and what asks for input."""
    calls: list[str] = row.get("html_scripted", [])
    return [*calls, *(sign for name, sign in _SIGNS if row.get(name))]


def _distinct(values: list[str | None]) -> list[str]:
    return [value for value in dict.fromkeys(values) if value]
