"""The fields of Amazon S3 server access logs, from a line or from a table of them.

Source: Amazon S3 User Guide, Server access log format; names as in its table for Athena. Ours:
`status` (success or failure) and `anonymous`, whether nobody signed the request.
"""

import re
from typing import Any, Final

from labrys.evidence.web_access.common import time_of

SHAPE: Final = "aws.s3_access"
FIELDS: Final = (
    *("bucketowner", "bucket_name", "requestdatetime", "remoteip", "requester", "requestid"),
    *("operation", "key", "request_uri", "httpstatus", "errorcode", "bytessent", "objectsize"),
    *("totaltime", "turnaroundtime", "referrer", "useragent", "versionid", "hostid", "sigv"),
    *("ciphersuite", "authtype", "endpoint", "tlsversion", "accesspointarn", "aclrequired"),
)
_LEAST: Final = 17
"""Fields that even the oldest lines have."""
_SAME: Final = {
    **{name.replace("_", ""): name for name in FIELDS},
    "bucket": "bucket_name",
    "time": "requestdatetime",
    "remoteipaddress": "remoteip",
    "requesturi": "request_uri",
    "httpstatuscode": "httpstatus",
    "referer": "referrer",
    "signatureversion": "sigv",
    "authenticationtype": "authtype",
    "hostheader": "endpoint",
    "s3error": "errorcode",
    "acl_required": "aclrequired",
    "byteessent": "bytessent",
}
_TOKEN: Final = re.compile(r'"((?:[^"]|"(?! |$))*+)"(?= |$)|\[([^\]]{0,40}+)\]|(\S+)')
OPERATION: Final = re.compile(r"(?:REST|SOAP|WEBSITE|BATCH|S3)\.[A-Z0-9_.]{2,80}")
_OWNER: Final = re.compile(r"[0-9a-f]{32,64}|-|[\w.-]{1,64}")


def parse(line: str) -> tuple[dict[str, Any], int | None] | None:
    """The fields and the time (epoch milliseconds) of a line; None when it is none of these logs."""
    values: list[str] = []
    stamp = ""
    for found in _TOKEN.finditer(line):
        quoted, bracketed, plain = found.groups()
        if bracketed is not None and len(values) == 2:
            stamp = bracketed
        values.append(plain if quoted is None and bracketed is None else quoted or bracketed or "")
        if len(values) == 40:
            break
    if len(values) < _LEAST or not stamp or not _OWNER.fullmatch(values[0]):
        return None
    if not OPERATION.fullmatch(values[6]):
        return None
    fields = dict(zip(FIELDS, values, strict=False))
    if more := values[len(FIELDS) :]:
        fields["other"] = " ".join(more)
    return completed(fields), _time(stamp)


def proper(name: str) -> str:
    """A field's name as in the table for Athena; another name as it is."""
    return _SAME.get(name.lower().replace("_", ""), name)


def completed(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields without those that hold nothing, and with what they say together."""
    made = {name: value for name, value in fields.items() if value not in (None, "", "-")}
    code = str(made.get("httpstatus", ""))
    if code:
        made["status"] = "success" if code[:1] in "23" and "errorcode" not in made else "failure"
    signed = any(name in made for name in ("requester", "authtype", "sigv"))
    made["anonymous"] = "false" if signed else "true"
    return made


def _time(stamp: str) -> int | None:
    return time_of(stamp) if _STAMP.fullmatch(stamp) else None


_STAMP: Final = re.compile(r"\d{1,2}/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", re.ASCII)
