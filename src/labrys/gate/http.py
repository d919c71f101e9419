"""The gate's HTTP side: check a message, report one, ask how it goes. For loopback and a proxy.

    POST /check                     message/rfc822 in the body → judgement and action as JSON
    POST /report?label=spam|ham&by=WHO   a report with the message in it, or an ARF complaint
    GET  /health                    counts since the start
    GET  /alarms                    who asked as an attacker would

A request is one, then the connection closes: a check costs more than a connection. Sizes and times
are bounded. Source: RFC 9110, RFC 9112 (of which it takes what such clients send).
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from labrys.gate.decide import Gate
from labrys.gate.judge import LARGEST, Judgement
from labrys.gate.milter import Envelope
from labrys.gate.policy import Action
from labrys.gate.probing import Probing, client_of
from labrys.gate.reports import messages

_HEAD: Final = 16 << 10
_SECONDS: Final = 60.0
_ENCODE: Final = msgspec.json.Encoder().encode


class _Refused(Exception):
    """A request that gets no answer but this status."""

    def __init__(self, status: HTTPStatus, said: str) -> None:
        super().__init__(said)
        self.status = status


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms others may ask. `labels_only`: what to do, without how sure and why. `proxied`:
    the address of who asks is what the proxy in front says."""

    probing: Probing = field(default_factory=Probing)
    labels_only: bool = False
    proxied: bool = False


class Api:
    """One connection."""

    def __init__(self, gate: Gate, terms: Terms | None = None) -> None:
        self._gate = gate
        self._terms = terms or Terms()

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            async with asyncio.timeout(_SECONDS):
                peer = writer.get_extra_info("peername")
                where = str(peer[0]) if isinstance(peer, tuple) else ""
                status, made = await self._answered(reader, where)
        except _Refused as refused:
            status, made = refused.status, {"error": str(refused)}
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            status, made = HTTPStatus.REQUEST_TIMEOUT, {"error": "the request did not arrive"}
        body = _ENCODE(made)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with suppress(ConnectionError):
            writer.write(head.encode() + body)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    async def _answered(self, reader: asyncio.StreamReader, peer: str) -> tuple[HTTPStatus, Any]:
        method, target, fields = await _head(reader)
        asked = urlsplit(target)
        match method, asked.path:
            case "GET", "/health":
                return HTTPStatus.OK, dict(self._gate.seen)
            case "GET", "/alarms":
                return HTTPStatus.OK, [each.plain() for each in self._terms.probing.alarms]
            case "POST", "/check":
                forwarded = fields.get("x-forwarded-for", "") if self._terms.proxied else ""
                client = client_of(peer, forwarded)
                if not self._terms.probing.may_ask(client):
                    self._gate.seen["refused, over budget"] += 1
                    raise _Refused(HTTPStatus.TOO_MANY_REQUESTS, "asked enough for this hour")
                return HTTPStatus.OK, await self._check(await _body(reader, fields), client)
            case "POST", "/report":
                given = {name: values[0] for name, values in parse_qs(asked.query).items()}
                return HTTPStatus.OK, await self._report(await _body(reader, fields), given)
            case _, "/health" | "/alarms" | "/check" | "/report":
                raise _Refused(
                    HTTPStatus.METHOD_NOT_ALLOWED, f"{asked.path} does not take {method}"
                )
        raise _Refused(HTTPStatus.NOT_FOUND, "there is /check, /report, /health and /alarms")

    async def _check(self, content: bytes, client: str) -> dict[str, Any]:
        judged, action = await self._gate.decide(content, Envelope())
        self._terms.probing.asked(client, judged)
        return {"action": str(action)} if self._terms.labels_only else said(judged, action)

    async def _report(self, content: bytes, given: dict[str, str]) -> dict[str, Any]:
        found = messages(content)
        if not found:
            raise _Refused(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "no message is in it; forward the message as an attachment (message/rfc822)",
            )
        label, reporter = given.get("label", ""), given.get("by", "")
        kept = [await self._gate.report(each, label, reporter) for each in found]
        if not any(kept):
            raise _Refused(HTTPStatus.BAD_REQUEST, "say label=spam or label=ham")
        return {"kept": sum(kept)}


def said(judged: Judgement | None, action: Action) -> dict[str, Any]:
    """A judgement as JSON shows it."""
    if judged is None:
        return {"action": str(action), "verdict": "inconclusive", "problems": ["not judged"]}
    return {
        "action": str(action),
        "verdict": "found" if judged.severity else "inconclusive" if judged.problems else "clean",
        "severity_id": judged.severity,
        "confidence_score": judged.confidence,
        "reasons": [
            {
                "rule": each.rule,
                "title": each.title,
                "severity_id": each.severity,
                "confidence_score": each.confidence,
                "techniques": each.techniques,
                "seen": each.seen,
            }
            for each in judged.reasons
        ],
        "problems": judged.problems,
        "sha256": judged.digest,
    }


async def _head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "header too long") from error
    if len(raw) > _HEAD:
        raise _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "header too long")
    first, *lines = raw.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise _Refused(HTTPStatus.BAD_REQUEST, "not an HTTP/1 request")
    pairs = (line.partition(":") for line in lines if line)
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if "origin" in fields:
        # A page in somebody's browser must not be able to ask.
        raise _Refused(HTTPStatus.FORBIDDEN, "not for web pages")
    return parts[0], parts[1], fields


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    length = fields.get("content-length", "")
    if "transfer-encoding" in fields or not length.isdigit() or len(length) > 12:
        raise _Refused(HTTPStatus.LENGTH_REQUIRED, "say Content-Length")
    if int(length) > LARGEST:
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LARGEST} bytes")
    return await reader.readexactly(int(length))
