"""Reads access logs written as JSON: nginx (`escape=json`), Caddy, Traefik and their like.

A record keeps its own names; beside them stand those of W3C extended logs, filled from whichever
of the usual names it uses.
"""

from collections.abc import Mapping
from typing import Any, Final

from labrys.evidence import timestamps
from labrys.evidence.records import flatten
from labrys.evidence.web_access.common import set_request, set_target

_USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "c-ip": (
        *("request.client_ip", "request.remote_ip", "remote_addr", "remote_ip", "client_ip"),
        *("clientip", "ClientHost", "client", "remote_host", "remoteAddr", "remote", "ip"),
    ),
    "cs-method": ("request.method", "request_method", "RequestMethod", "http_method", "method"),
    "sc-status": (
        *("DownstreamStatus", "OriginStatus", "status", "status_code", "response_status"),
        *("statusCode", "http_status", "response"),
    ),
    "sc-bytes": (
        *("body_bytes_sent", "bytes_sent", "DownstreamContentSize", "size", "bytes"),
        *("response_size", "bytes_out"),
    ),
    "cs-host": ("request.host", "http_host", "RequestHost", "host", "vhost", "server_name"),
    "cs-user-agent": (
        *("request.headers.User-Agent", "http_user_agent", "request_User-Agent", "user_agent"),
        *("userAgent", "agent", "useragent"),
    ),
    "cs-referer": (
        *("request.headers.Referer", "http_referer", "http_referrer", "request_Referer"),
        *("referer", "referrer"),
    ),
    "cs-username": ("user_id", "remote_user", "ClientUsername", "auth", "user"),
    "cs-version": (
        *("request.proto", "server_protocol", "RequestProtocol", "protocol", "httpversion"),
    ),
}
_TARGETS: Final = ("request.uri", "request_uri", "RequestPath", "uri", "url", "path")
_QUERIES: Final = ("args", "query_string", "query")
_REQUESTS: Final = ("request", "request_line")
_TIMES: Final = ("time_iso8601", "ts", "StartUTC", "msec", "@timestamp", "time_local", "time")
_ANY_OTHER: Final = ("timestamp", "date", "datetime", "start_time", "time_unix")
_SERVERS: Final = ("server_host", "hostname", "server_hostname")


def parse(record: Mapping[str, Any]) -> tuple[dict[str, Any], int | None, str | None] | None:
    """The fields, time and logging host of a record; None when it is about no web request."""
    fields = flatten(record)
    found: dict[str, Any] = {}
    for name, usual in _USUAL.items():
        if (value := _first(fields, usual)) is not None:
            found[name] = value
    _target(fields, found)
    if "sc-status" not in found or "cs-uri" not in found or not _is_status(found["sc-status"]):
        return None
    if "cs-method" not in found or "c-ip" not in found:
        return None
    if found.get("cs-username") == "-":
        del found["cs-username"]
    time = None
    for name in (*_TIMES, *_ANY_OTHER):
        if (value := fields.get(name)) is not None and (
            time := timestamps.parse(value)
        ) is not None:
            break
    host = _first(fields, _SERVERS)
    for name, value in found.items():
        fields.setdefault(name, value)
    return fields, time, host if isinstance(host, str) else None


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        value = fields.get(name)
        if value is not None and value not in ("", "-"):
            return value
    return None


def _is_status(value: Any) -> bool:
    text = str(value)
    return len(text) == 3 and text.isdecimal()


def _target(fields: Mapping[str, Any], found: dict[str, Any]) -> None:
    request, target = _first(fields, _REQUESTS), _first(fields, _TARGETS)
    if isinstance(request, str):
        parts: dict[str, Any] = {}
        set_request(parts, request)
        parts.pop("request", None)
        for name, value in parts.items():
            found.setdefault(name, value)
    if isinstance(target, str) and "cs-uri" not in found:
        query = _first(fields, _QUERIES)
        if isinstance(query, str) and "?" not in target:
            target = f"{target}?{query.removeprefix('?')}"
        host = found.get("cs-host")
        set_target(found, target)
        if host is not None:
            found["cs-host"] = host
