"""Reads the message of any program: those known by name, DNS servers, and log-ons told in words."""

from typing import Any, Final

from labrys.evidence import logons, unix_message
from labrys.evidence.dns_server import line as dns

_DNS: Final = frozenset(["named", "dnsmasq", "unbound", "pihole-FTL"])


def parse(program: str | None, message: str) -> tuple[str, dict[str, Any]]:
    """The shape and the fields of a message; never fails, whatever it holds."""
    shape, fields = unix_message.parse(program, message)
    if shape != unix_message.OTHER or fields:
        return shape, fields
    if program in _DNS and (query := dns.unix(message)):
        return "dns.query", query
    return shape, logons.told(message) or {}
