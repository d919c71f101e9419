"""Reads access logs written as JSON: nginx (`escape=json`), Caddy, Traefik and their like, and the
request logs of clouds: CloudFront, Cloudflare, load balancers of Google and Azure.

A record keeps its own names; beside them stand those of W3C extended logs, filled from whichever
of the usual names it uses.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from labrys.evidence import timestamps
from labrys.evidence.values import flatten
from labrys.evidence.web_access.common import set_own, set_request, set_target

_USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "c-ip": (
        *("c-ip", "ClientIP", "httpRequest.remoteIp", "properties.clientIP", "properties.clientIp"),
        *("request.client_ip", "request.remote_ip", "remote_addr", "remote_ip", "client_ip"),
        *("clientip", "ClientHost", "client", "remote_host", "remoteAddr", "remote", "ip"),
    ),
    "cs-method": (
        *("cs-method", "ClientRequestMethod", "httpRequest.requestMethod", "properties.httpMethod"),
        *("request.method", "request_method", "RequestMethod", "http_method", "method"),
    ),
    "sc-status": (
        *("sc-status", "EdgeResponseStatus", "httpRequest.status", "properties.httpStatus"),
        *("properties.httpStatusCode",),
        *("DownstreamStatus", "OriginStatus", "status", "status_code", "response_status"),
        *("statusCode", "http_status", "response"),
    ),
    "sc-bytes": (
        *("sc-bytes", "EdgeResponseBytes", "httpRequest.responseSize", "properties.sentBytes"),
        *("properties.responseBytes",),
        *("body_bytes_sent", "bytes_sent", "DownstreamContentSize", "size", "bytes"),
        *("response_size", "bytes_out"),
    ),
    "cs-host": (
        *("cs(Host)", "cs-host", "ClientRequestHost", "properties.host", "properties.hostName"),
        *("request.host", "http_host", "RequestHost", "host", "vhost", "server_name"),
    ),
    "cs-user-agent": (
        *("cs(User-Agent)", "cs-user-agent", "ClientRequestUserAgent", "httpRequest.userAgent"),
        *("properties.userAgent",),
        *("request.headers.User-Agent", "http_user_agent", "request_User-Agent", "user_agent"),
        *("userAgent", "agent", "useragent"),
    ),
    "cs-referer": (
        *("cs(Referer)", "cs-referer", "ClientRequestReferer", "httpRequest.referer"),
        *("properties.referer",),
        *("request.headers.Referer", "http_referer", "http_referrer", "request_Referer"),
        *("referer", "referrer"),
    ),
    "cs-username": ("user_id", "remote_user", "ClientUsername", "auth", "user"),
    "cs-version": (
        *("cs-protocol-version", "ClientRequestProtocol", "httpRequest.protocol"),
        *("properties.httpVersion",),
        *("request.proto", "server_protocol", "RequestProtocol", "protocol", "httpversion"),
    ),
}
_OWN_TARGETS: Final = (
    *("httpRequest.requestUrl", "properties.requestUri", "ClientRequestURI", "ClientRequestPath"),
    *("cs-uri-stem",),
)
"""What is asked of servers of our own, perhaps as a whole address."""
_TARGETS: Final = ("request.uri", "request_uri", "RequestPath", "uri", "url", "path")
_QUERIES: Final = (
    "cs-uri-query",
    "properties.requestQuery",
    "ClientRequestQuery",
    "args",
    "query_string",
    "query",
)
_REQUESTS: Final = ("request", "request_line")
_TIMES: Final = (
    "EdgeStartTimestamp",
    "Datetime",
    "time_iso8601",
    "ts",
    "StartUTC",
    "msec",
    "@timestamp",
    "time_local",
    "time",
)
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
    day, clock = fields.get("date"), fields.get("time")
    both = isinstance(day, str) and isinstance(clock, str) and clock[2:3] == ":"
    time = timestamps.parse(f"{day}T{clock}Z") if both else None
    for name in (*_TIMES, *_ANY_OTHER) if time is None else ():
        if (value := fields.get(name)) is not None and (
            time := timestamps.parse(value)
        ) is not None:
            break
    host = _first(fields, _SERVERS)
    if "x-edge-location" in fields and isinstance(agent := found.get("cs-user-agent"), str):
        found["cs-user-agent"] = unquote(agent)
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
    own = _first(fields, _OWN_TARGETS)
    target = own if own is not None else target
    if isinstance(target, str) and "cs-uri" not in found:
        query = _first(fields, _QUERIES)
        if isinstance(query, str) and "?" not in target:
            target = f"{target}?{query.removeprefix('?')}"
        host = found.get("cs-host")
        (set_target if own is None else set_own)(found, target)
        if host is not None:
            found["cs-host"] = host
