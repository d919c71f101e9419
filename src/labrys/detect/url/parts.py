"""Takes URLs apart as browsers do, all at once: host, registered domain, path, query, fragment.

The scheme and a lone `/` are dropped: whether a link is written with them says where a list comes from,
not what the link is. Source: WHATWG URL Standard.
"""

import re
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from publicsuffixlist import PublicSuffixList

from labrys.detect.url.brands import known, owned
from labrys.evidence.mail.domains import ascii_host, ip, registered
from labrys.model.regex import matched, replaced

LONGEST: Final = 2_048
"""So many characters of a URL are read, a user in front of its host not counted."""
_SEEN: Final = 1 << 16
_PARTS: Final = (
    r"(?s)\A(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30}):)?[/\\]*"
    r"(?P<user>[^/\\?#@]*@)?(?P<host>\[[^\]/]*\]|[^/\\?#:@]*)(?P<port>:[^/\\?#]*)?"
    r"(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?\z"
)
_USER: Final = r"\A((?:[A-Za-z][A-Za-z0-9+.-]{0,30}:)?)[/\\]{2,}[^/\\?#]*@"
"""A user, up to the last `@` before the host."""
_ADDRESS: Final = (
    r"\A[/\\]{2}|\A[A-Za-z][A-Za-z0-9+.-]{0,30}:[/\\]{2}|\A[^:/?#]*\.[^:/?#]*(?:[/?#:]|\z)"
)
_NEEDLESS: Final = r"%([46][1-9A-Fa-f]|[57][0-9Aa]|3[0-9])"
"""A letter or digit that need not be encoded."""
_HIGHEST: Final = 4
_HEIGHTS: Final = 1 + 2 * _HIGHEST
_WEB: Final = pa.array(["http", "https", "ftp", ""])

Ints = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Hosts:
    """Different hosts: `name` as DNS would ask for it, what was registered, and what stands before.

    `tenant` marks what lies in a zone in which a company gives names to everybody.
    """

    name: pa.Array
    domain: pa.Array
    before: pa.Array
    label: pa.Array
    suffix: pa.Array
    address: Marks
    tenant: Marks

    @cached_property
    def owned(self) -> Marks:
        """Which are below a brand's own registered domain."""
        return owned(self.domain, self.label, self.suffix)

    @cached_property
    def zones(self) -> dict[str, Marks]:
        """For each kind of zone in which others give names (`known.toml`), which hosts lie in one."""
        above, count = _names_above(self), len(self.name)
        return {
            kind: np.logical_or.reduce(_marks(pc.is_in(above, zones)).reshape(_HEIGHTS, count))
            for kind, zones in known().zones.items()
        }


@dataclass(frozen=True, slots=True)
class Urls:
    """URLs in parts; `host` numbers rows of `hosts`, `web` marks those that browsers open."""

    hosts: Hosts
    host: Ints
    path: pa.Array
    query: pa.Array
    fragment: pa.Array
    port: Marks
    user: Marks
    web: Marks


def _names_above(hosts: Hosts) -> pa.Array:
    """The names of hosts, those some labels higher, and those above what was registered, so that
    labels put in front hide none: all hosts' at the first height, then all at the next."""
    made = [hosts.name]
    rests = pa.concat_arrays([hosts.name, pc.binary_join_element_wise("", hosts.domain, ".")])
    for _ in range(_HIGHEST):
        rests = replaced(rests, "^[^.]*[.]", "")
        made.append(rests)
    return pa.concat_arrays(made)


def parts(urls: pa.Array) -> Urls:
    """URLs in parts; whatever is no URL has no host."""
    text = shortened(pc.fill_null(urls, ""))
    text = pc.utf8_slice_codeunits(text, 0, LONGEST)
    found = pc.extract_regex(text, _PARTS)

    def part(name: str) -> pa.Array:
        return pc.fill_null(pc.struct_field(found, name), "")

    scheme = pc.utf8_lower(part("scheme"))
    web = pc.and_(pc.is_in(scheme, _WEB.cast(scheme.type)), matched(text, _ADDRESS))
    host = pc.if_else(web, pc.utf8_lower(part("host")), "").dictionary_encode()
    path = pc.utf8_rtrim(pc.replace_substring(_plain(part("path")), "\\", "/"), "/")
    port = part("port")
    return Urls(
        _hosts(host.dictionary.to_pylist()),
        host.indices.to_numpy(zero_copy_only=False).astype(np.int64),
        path,
        _plain(part("query")),
        part("fragment"),
        _marks(pc.invert(pc.is_in(port, pa.array(["", ":", ":80", ":443"], port.type)))),
        _marks(pc.greater(pc.utf8_length(part("user")), 0)),
        _marks(web),
    )


def shortened(urls: pa.Array) -> pa.Array:
    """URLs without blanks around them, and with `u` for the user in front of the host: what stands
    there, however much, must push nothing out. Nulls stay."""
    text = pc.utf8_slice_codeunits(urls, 0, _SEEN).cast(pa.string())
    text = pc.utf8_trim_whitespace(pc.replace_substring_regex(text, "[\t\r\n]", ""))
    return pc.replace_substring_regex(text, _USER, r"\1//u@")


def _plain(texts: pa.Array) -> pa.Array:
    """Texts with letters and digits written as themselves, which says the same (RFC 3986, 6.2.2.2)."""
    coded = matched(texts, _NEEDLESS)
    at = np.flatnonzero(coded.to_numpy(zero_copy_only=False))
    if not len(at):
        return texts
    made = [_decoded(text) for text in texts.take(pa.array(at)).to_pylist()]
    return pc.replace_with_mask(texts, coded, pa.array(made, texts.type))


@lru_cache(maxsize=16_384)
def _decoded(text: str) -> str:
    return re.sub(_NEEDLESS, lambda found: chr(int(found[1], 16)), text)


def _hosts(names: list[str]) -> Hosts:
    ascii_names = [ascii_host(name) for name in names]
    address = [ip(name) is not None for name in ascii_names]
    domains = [
        "" if known else registered(name) for name, known in zip(ascii_names, address, strict=True)
    ]
    before = [
        name[: -len(domain)].rstrip(".") if domain and name.endswith(domain) else ""
        for name, domain in zip(ascii_names, domains, strict=True)
    ]
    split = [domain.partition(".") for domain in domains]
    return Hosts(
        pa.array(ascii_names, pa.string()),
        pa.array(domains, pa.string()),
        pa.array(before, pa.string()),
        pa.array([label for label, _, _ in split], pa.string()),
        pa.array([suffix for _, _, suffix in split], pa.string()),
        np.array(address, np.bool_).reshape(len(names)),
        np.array([_given(suffix) for _, _, suffix in split], np.bool_).reshape(len(names)),
    )


@lru_cache(maxsize=8_192)
def _given(suffix: str) -> bool:
    """Whether a public suffix is a company's, not a registry's."""
    return "." in suffix and _registries().publicsuffix(suffix) != suffix


@cache
def _registries() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)


def _marks(values: pa.Array) -> Marks:
    made: Marks = values.to_numpy(zero_copy_only=False).astype(np.bool_)
    return made
