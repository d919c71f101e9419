"""Where addresses are, by tables that the user gives: country, and the network that owns them.

Nothing is ever asked of anybody: a table is a MaxMind DB file (MaxMind DB File Format 2.0), such as
GeoLite2's, DB-IP's or IPinfo's. It is read by the Python code of `maxminddb`, which holds every
record to a budget of values, depth and bytes; its C code is not used.
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa

from labrys.errors import LabrysError

LARGEST: Final = 1 << 30
"""Bytes of one table; the largest of those known have some hundreds of millions."""
MOST: Final = 200_000
"""So many addresses are looked up for one question: some seconds."""
TABLE: Final = pa.schema(
    [("ip", pa.string()), ("country", pa.string()), ("asn", pa.int64()), ("as_name", pa.string())]
)
ADDRESS: Final = "src_endpoint_ip"
COUNTRY: Final = "src_endpoint_location_country"
"""The columns of a view where a source's address and country are."""
_COUNTRY: Final = re.compile("[A-Z]{2}")
_NUMBER: Final = re.compile("(?:AS)?([0-9]{1,10})")
_NAME: Final = 100
_BROKEN: Final = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a reader raises on a table that is not one, or not whole."""


class Reader(Protocol):
    """Gives what a table says of an address."""

    def get(self, ip_address: str) -> Any:
        """The record, or None."""


@dataclass(frozen=True, slots=True)
class Place:
    """Of an address: its country (ISO 3166-1, two letters), its network's number and name."""

    country: str = ""
    asn: int | None = None
    as_name: str = ""

    def __bool__(self) -> bool:
        return bool(self.country) or self.asn is not None

    def __str__(self) -> str:
        network = "" if self.asn is None else f"AS{self.asn} {self.as_name}".strip()
        return ", ".join(part for part in (self.country, network) if part)


NOWHERE: Final = Place()


@dataclass(frozen=True)
class Places:
    """What some tables say of addresses; `digest` changes with them, and is empty without any."""

    readers: Sequence[Reader] = ()
    digest: str = ""
    _known: dict[str, Place] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return bool(self.readers)

    def of(self, address: str) -> Place:
        """Where it is; `NOWHERE` where no table says so, or it is no address."""
        if not self.readers:
            return NOWHERE
        found = self._known.get(address)
        if found is None:
            found = self._asked(address)
            if len(self._known) < MOST:
                self._known[address] = found
        return found

    def known(self, addresses: Iterable[str]) -> dict[str, Place]:
        """Of the first `MOST` addresses those of which something is known."""
        found = ((each, self.of(each)) for each in islice(addresses, MOST))
        return {each: place for each, place in found if place}

    def table(self, addresses: Iterable[str]) -> pa.Table:
        """The same as rows of `TABLE`."""
        rows = [
            {"ip": each, "country": p.country or None, "asn": p.asn, "as_name": p.as_name or None}
            for each, p in self.known(addresses).items()
        ]
        return pa.Table.from_pylist(rows, TABLE)

    def _asked(self, address: str) -> Place:
        """What all tables say together, the first going before."""
        country, asn, name = "", None, ""
        try:
            plain = str(ip_address(address))
        except ValueError:
            return NOWHERE
        for reader in self.readers:
            try:
                record = reader.get(plain)
            except _BROKEN:
                continue  # of this address the table says nothing
            if isinstance(record, Mapping):
                country = country or _country(record)
                if asn is None:
                    asn, name = _network(record)
        return Place(country, asn, name)


NONE: Final = Places()


def opened(files: Sequence[str]) -> Places:
    """The tables in these files; `LabrysError` where one is missing or not a table."""
    if not files:
        return Places()
    from maxminddb import MODE_FD
    from maxminddb.reader import Reader as Table

    readers, digest = [], sha256()
    for name in files:
        content = _content(Path(name))
        digest.update(sha256(content).digest())
        try:
            readers.append(Table(io.BytesIO(content), MODE_FD))
            readers[-1].get("192.0.2.1")
        except _BROKEN as reason:
            raise LabrysError(
                f"network.places: {name} is no MaxMind DB file, or is damaged ({reason}); fetch it anew"
            ) from reason
    return Places(tuple(readers), digest.hexdigest())


def _content(file: Path) -> bytes:
    try:
        if not file.is_file():
            raise LabrysError(f"network.places: {file} is not there, or no file")
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as reason:
        raise LabrysError(f"network.places: {file} cannot be read ({reason})") from reason
    if len(content) > LARGEST:
        raise LabrysError(f"network.places: {file} has more than {LARGEST >> 20} MB")
    return content


def _country(record: Mapping[str, Any]) -> str:
    """`country.iso_code` (MaxMind, DB-IP), or a text `country_code` or `country` (IPinfo)."""
    said = record.get("country")
    if isinstance(said, Mapping):
        said = said.get("iso_code")
    for code in (record.get("country_code"), said):
        if isinstance(code, str) and _COUNTRY.fullmatch(code):
            return code
    return ""


def _network(record: Mapping[str, Any]) -> tuple[int | None, str]:
    """`autonomous_system_number` and `…_organization` (MaxMind, DB-IP), or `asn` and `as_name`."""
    said = record.get("autonomous_system_number", record.get("asn"))
    found = _NUMBER.fullmatch(str(said)[:20]) if isinstance(said, int | str) else None
    if found is None or not 0 < int(found[1]) < 1 << 32:
        return None, ""
    name = record.get("autonomous_system_organization", record.get("as_name"))
    return int(found[1]), name[:_NAME] if isinstance(name, str) else ""
