"""JSON lines that stay lines, whatever a reader takes for the end of one."""

from typing import Any

import orjson


def json_line(value: Any) -> bytes:
    """A value as one line of JSON; the three separators that some readers split at are escaped."""
    return (
        orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
        .replace(b"\xe2\x80\xa8", b"\\u2028")
        .replace(b"\xe2\x80\xa9", b"\\u2029")
        .replace(b"\xc2\x85", b"\\u0085")
    )
