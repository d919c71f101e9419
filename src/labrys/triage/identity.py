"""Who is who: different spellings of one host, user or address become one identity.

Conservative on purpose, because a wrong tie costs more than a missing one:

* `WS01` and `ws01.corp.example` are one host, unless two domains in the case have a `ws01`.
* `CORP\\bob` and `bob@corp.example` are one user, because the first label of both domains agrees;
  bare `bob` joins them only when the case knows a single domain with a bob. `WS01\\bob` is the
  local account of a host of the case, and another user.
* Names such as SYSTEM or root, loopback addresses and the like (`identities.toml`) are shown but
  tie nothing; `Administrator` ties only together with its host.
"""

import ipaddress
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Final, NamedTuple

SHOWN: Final = 160
"""An identity's text is cut in the middle to about this length where people read it."""
_LONGEST: Final = 512
_IMAGES: Final = 3
"""Parts of a `host|pid|image` process."""


class Identity(NamedTuple):
    """What a spelling stands for. `key` compares, `shown` is read by people.

    `alone`: this identity by itself may tie two findings; otherwise only together with a host.
    `part`: it may be part of such a pair.
    """

    key: str
    shown: str
    alone: bool = True
    part: bool = True


NOBODY: Final = Identity("", "", alone=False, part=False)


@dataclass(slots=True)
class Names:
    """What the case itself says about names: full names of hosts, domains of users."""

    full: dict[str, set[str]] = field(default_factory=dict)
    users: dict[str, set[str]] = field(default_factory=dict)
    hosts: dict[str, Identity] = field(default_factory=dict)


def identify(types: Sequence[str], values: Sequence[str]) -> list[Identity]:
    """The identity behind each distinct (type, value), in the same order."""
    pairs = list(zip(types, values, strict=True))
    names = known(lambda: iter(pairs))
    return [identity(names, kind, value) for kind, value in pairs]


def known(pairs: Callable[[], Iterator[tuple[str, str]]]) -> Names:
    """What a case says about names; `pairs` gives its (type, value) each time it is called."""
    names = Names()
    hosts = {value for kind, value in pairs() if kind == "host"}
    hosts |= {
        value.partition("|")[0]
        for kind, value in pairs()
        if kind in ("process", "session") and "|" in value
    }
    for value in hosts:
        _learn_host(names, value)
    for kind, value in pairs():
        if kind == "user":
            _learn_user(names, value)
    return names


def is_long_lived(image: str) -> bool:
    """Whether a program is one that lives as long as the machine or the logon."""
    name = image.replace("\\", "/").rpartition("/")[2].lower()
    return name in _listed("long_lived")


def is_system_file(path: str) -> bool:
    """Whether a path is where an operating system keeps its own programs."""
    return path.startswith(_folders()) or path in _listed("system_files")


def process_name(key: str, path: str) -> str:
    """A process by its program: `powershell.exe {cbb6c2a…3c00} on ws01`."""
    host, _, rest = key.partition("|")
    name = path.replace("\\", "/").rpartition("/")[2] or path
    return f"{cut(name, 40)} {cut(rest.partition('|')[0], 14)} on {host}"


def cut(text: str, length: int = SHOWN) -> str:
    """`text` at most `length` long, with an ellipsis in the middle where it was longer."""
    if len(text) <= length:
        return text
    head = (length - 1) * 2 // 3
    return text[:head] + "…" + text[head + 1 - length :]


def identity(names: Names, kind: str, value: str) -> Identity:
    """The identity behind one (type, value)."""
    text = value.strip()
    if not text or text.lower() in _listed("nothing"):
        return NOBODY
    if kind == "host":
        return _host(names, text)
    if kind == "user":
        return _user(names, text)
    if kind in ("process", "session"):
        return _process(names, text) if kind == "process" else _session(names, text)
    return _ip(text) if kind == "ip" else _thing(kind, text)


def _thing(kind: str, text: str) -> Identity:
    key = text.lower().strip("\"' ")
    if len(key) > _LONGEST:
        key = key[:64] + "#" + blake2b(key.encode("utf-8", "replace"), digest_size=16).hexdigest()
    shown = cut(text)
    if kind == "file":
        plain = is_system_file(key)
        return Identity(key, shown, alone=not plain and len(key) > 3, part=False)
    if kind == "hash":
        key = key.rpartition("=")[2]
        common = key in _listed("hashes") or not key.strip("0") or len(key) < 16
        return Identity(key, shown.rpartition("=")[2], alone=not common, part=False)
    if kind == "resource":
        common = key in _listed("resources") or key.startswith(_sid_prefixes())
        return Identity(key, shown, alone=not common, part=False)
    if kind == "domain":
        key = key.strip(".")
        return Identity(key, key, alone="." in key, part=False)
    alone = kind in ("url", "service", "account", "campaign")
    return Identity(key, shown, alone=alone, part=kind == "registry")


def _learn_host(names: Names, value: str) -> None:
    name = _host_name(value)
    if name and "." in name and not _address(name):
        names.full.setdefault(name.partition(".")[0], set()).add(name)
    elif name:
        names.full.setdefault(name, set())


def _host_name(value: str) -> str:
    return value.strip().lstrip("\\").rstrip(".$").lower()


def _host(names: Names, value: str) -> Identity:
    made = names.hosts.get(value)
    if made is None:
        made = names.hosts[value] = _new_host(names, value)
    return made


def _new_host(names: Names, value: str) -> Identity:
    name = _host_name(value)
    if not name or name in _listed("hosts") or name in _listed("nothing"):
        return NOBODY
    address = _address(name)
    if address is not None:
        return _ip(name)
    short = name.partition(".")[0]
    if len(names.full.get(short, ())) <= 1:
        return Identity(short, short)
    return Identity(name, name)


def _user_parts(value: str) -> tuple[str, str]:
    """Name and domain of a user, both in lower case."""
    text = value.strip().lower()
    if "\\" in text:
        domain, _, name = text.rpartition("\\")
        return name.strip(), domain.strip("\\ ")
    if text.count("@") == 1 and not text.startswith("@"):
        name, _, domain = text.partition("@")
        return name, domain
    return text, ""


def _learn_user(names: Names, value: str) -> None:
    name, domain = _user_parts(value)
    label = _domain_label(names, domain)
    if label and not _is_system_user(name, domain):
        names.users.setdefault(name, set()).add(label)


def _domain_label(names: Names, domain: str) -> str:
    """The first label of a user's domain; nothing when the domain is a host of the case."""
    label = domain.partition(".")[0]
    if label in ("", "workgroup") or label in names.full:
        return ""
    return label


def _is_system_user(name: str, domain: str) -> bool:
    return (
        not name
        or name in _listed("users")
        or name in _listed("nothing")
        or domain in _listed("domains")
        or name in _listed("sids")
        or name.startswith((*_sid_prefixes(), *_table()["user_prefixes"]))
        or name.endswith("$")
    )


def _user(names: Names, value: str) -> Identity:
    name, domain = _user_parts(value)
    if _is_system_user(name, domain):
        return NOBODY
    shown = cut(value.strip())
    if domain and domain.partition(".")[0] in names.full:
        return Identity(f"{name}@host:{domain.partition('.')[0]}", shown)
    label = _domain_label(names, domain)
    if name in _listed("local_users") and not label:
        return Identity(name, shown, alone=False)
    if not label:
        known = names.users.get(name, set())
        label = next(iter(known)) if len(known) == 1 else ""
    return Identity(f"{name}@{label}" if label else name, shown)


def _process(names: Names, value: str) -> Identity:
    host, _, rest = value.partition("|")
    rest = rest.strip().lower()
    owner = _host(names, host) if host.strip() else NOBODY
    if not rest or not rest.strip("{}0-|") or not owner.key:
        return NOBODY
    parts = rest.split("|", 1)
    if len(parts) == _IMAGES - 1 and (parts[0] in ("0", "4") or is_long_lived(parts[1])):
        return NOBODY
    return Identity(f"{owner.key}|{rest}", cut(f"{rest.replace('|', ' ')} on {owner.shown}"))


def _session(names: Names, value: str) -> Identity:
    host, bar, rest = value.partition("|")
    uid = (rest if bar else host).strip().lower()
    if not uid or uid in _listed("sessions") or uid in _listed("nothing"):
        return NOBODY
    if not bar:
        # Without its host a short logon id says nothing: two machines may both have given it out.
        return Identity(uid, cut(uid), alone=len(uid) >= 20)
    owner = _host(names, host)
    if not owner.key:
        return NOBODY
    return Identity(f"{owner.key}|{uid}", cut(f"{uid} on {owner.shown}"))


def _ip(value: str) -> Identity:
    address = _address(value)
    if address is None:
        return NOBODY
    text = str(address)
    if isinstance(address, ipaddress.IPv4Address):
        first = address.packed[0]
        nobody = first in (0, 127) or first >= 224 or text.startswith("169.254.")
    else:
        nobody = (
            address.is_loopback
            or address.is_unspecified
            or address.is_multicast
            or address.is_link_local
        )
    return Identity(text, text, alone=not nobody, part=not nobody)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if not text or text[0] not in "0123456789abcdefABCDEF:[":
        return None
    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


@cache
def _table() -> dict[str, list[str]]:
    return tomllib.loads(files("labrys.triage").joinpath("identities.toml").read_text("utf-8"))


@cache
def _listed(name: str) -> frozenset[str]:
    return frozenset(_table()[name])


@cache
def _folders() -> tuple[str, ...]:
    return tuple(_table()["system_folders"])


@cache
def _sid_prefixes() -> tuple[str, ...]:
    return tuple(_table()["sid_prefixes"])
