"""Tells from a group-by field's name what kind of entity its value is."""

from ipaddress import ip_address
from typing import Final

from labrys.evidence.values import MULTI
from labrys.ocsf.values import transform

_NOBODY: Final = frozenset(["", "-", "n/a", "null", "none", "unknown", "(unknown)", "localhost"])
_TYPE_BY_NAME: Final = (
    # The first fragment found in the field's name, lower-cased and without punctuation, decides.
    ("useragent", "user_agent"),
    ("hash", "hash"),
    ("md5", "hash"),
    ("sha256", "hash"),
    ("accountid", "account"),
    ("subscription", "account"),
    ("url", "url"),
    ("queryname", "domain"),
    ("domain", ""),  # of users as often as of names
    ("sid", ""),
    ("logon", ""),
    ("type", ""),
    ("service", "service"),
    ("image", "file"),
    ("path", "file"),
    ("filename", "file"),
    ("user", "user"),
    ("account", "user"),
    ("principal", "user"),
    ("email", "user"),
    ("computer", "host"),
    ("host", "host"),
    ("workstation", "host"),
    ("device", "host"),
    ("machine", "host"),
    ("resource", "resource"),
    ("bucket", "resource"),
)
_ROLE_BY_NAME: Final = (
    ("src", "source"),
    ("source", "source"),
    ("client", "source"),
    ("remote", "source"),
    ("dst", "destination"),
    ("dest", "destination"),
    ("target", "target"),
    ("subject", "actor"),
    ("actor", "actor"),
    ("caller", "actor"),
)
_ROLE_BY_TYPE: Final = {"host": "device", "ip": "source", "user": "target"}


def entity_of(name: str, value: str) -> dict[str, str] | None:
    """The entity that the value of the field `name` is; None where it names none.

    An address is an `ip` whatever the field is called. Values are normalised as those of
    `labrys.ocsf.entities` are, so that both name the same thing by the same text.
    """
    value = value.strip()
    if value.lower() in _NOBODY or MULTI in value:
        return None
    plain = "".join(character for character in name.lower() if character.isalnum())
    kind = next((kind for part, kind in _TYPE_BY_NAME if part in plain), "")
    if (address := _address(value)) is not None:
        kind, value = "ip", address
    elif kind == "user":
        value = (transform("user", value) or value).lower()
    elif kind in ("host", "hash", "service", "domain"):
        value = value.lower().lstrip("\\").rstrip(".")
    if not kind or not value:
        return None
    role = next((role for part, role in _ROLE_BY_NAME if part in plain), None)
    return {"type": kind, "value": value, "role": role or _ROLE_BY_TYPE.get(kind, "object")}


def _address(text: str) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None) or address
    return None if mapped.is_loopback or mapped.is_unspecified else str(mapped)
