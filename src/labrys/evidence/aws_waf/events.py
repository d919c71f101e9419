"""Says which objects are AWS WAF's, and what rows they give.

Source: AWS WAF Developer Guide, Log fields for web ACL traffic. Ours: the request by the names that
web servers' logs have (`labrys.evidence.web_access`); `matched_rules`, all rules that matched, and
`counted_rules`, those of them that only counted; `matched_data`, what of the request matched.
"""

from collections.abc import Iterator
from typing import Any, Final

from labrys.evidence.cloud_event import Row, dig, named_values, respell, spelling, time_of
from labrys.evidence.values import flatten
from labrys.evidence.web_access.common import set_target

SHAPE: Final = "aws.waf"
_DOCUMENTED: Final = spelling(
    *("timestamp", "formatVersion", "webaclId", "terminatingRuleId", "terminatingRuleType"),
    *("action", "terminatingRuleMatchDetails", "httpSourceName", "httpSourceId"),
    *("ruleGroupList", "rateBasedRuleList", "nonTerminatingMatchingRules", "httpRequest"),
    *("requestHeadersInserted", "responseCodeSent", "labels", "captchaResponse"),
    *("challengeResponse", "ja3Fingerprint", "ja4Fingerprint", "oversizeFields", "requestBodySize"),
)
_REQUEST: Final = spelling(
    *("clientIp", "country", "headers", "uri", "args", "httpVersion", "httpMethod", "requestId"),
    *("fragment", "scheme", "host"),
)
_HEADERS: Final = {
    "user-agent": "cs-user-agent",
    "host": "cs-host",
    "referer": "cs-referer",
    "x-forwarded-for": "x-forwarded-for",
}
_MOST: Final = 200


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of a request that a web ACL judged; None for anything else."""
    if "webaclId" not in record or "httpRequest" not in record:
        record = respell(record, _DOCUMENTED)
        if "webaclId" not in record:
            return None
    request = record.get("httpRequest")
    if not isinstance(request, dict) or "action" not in record:
        return None
    request = respell(request, _REQUEST)
    plain = {name: value for name, value in request.items() if name != "headers"}
    fields = flatten({**record, "httpRequest": plain})
    _request(fields, request)
    matched = list(_matched(record))[:_MOST]
    for name, found in (
        ("matched_rules", [rule for rule, _ in matched]),
        ("counted_rules", [rule for rule, action in matched if action == "COUNT"]),
        ("matched_data", list(_details(record))[:_MOST]),
        ("label_names", list(_labels(record))[:_MOST]),
    ):
        if found:
            fields[name] = list(dict.fromkeys(found))
    return [(SHAPE, fields, time_of(record, "timestamp"))]


def _request(fields: dict[str, Any], request: dict[str, Any]) -> None:
    """The request by the names that web servers' logs have."""
    made: dict[str, Any] = {}
    target, query = request.get("uri"), request.get("args")
    if isinstance(target, str):
        set_target(made, f"{target}?{query}" if isinstance(query, str) and query else target)
    for name, column in (("clientIp", "c-ip"), ("httpMethod", "cs-method")):
        if isinstance(request.get(name), str):
            made[column] = request[name]
    if isinstance(request.get("host"), str):
        made["cs-host"] = request["host"]
    for name, value in named_values(request.get("headers"), ("name",), "value"):
        column = _HEADERS.get(name.lower(), f"cs-{name.lower()[:60]}")
        if isinstance(value, str) and len(made) < _MOST:
            made[column] = value
    for name, value in made.items():
        fields.setdefault(name, value)


def _rules(items: Any) -> Iterator[dict[str, Any]]:
    if isinstance(items, list):
        yield from (item for item in items if isinstance(item, dict))


def _matched(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The name and action of every rule that matched, wherever the log has it."""
    last = record.get("terminatingRuleId")
    if isinstance(last, str) and last not in ("Default_Action", ""):
        yield last, str(record.get("action"))
    for rule in _rules(record.get("nonTerminatingMatchingRules")):
        yield str(rule.get("ruleId")), str(rule.get("action"))
    for group in _rules(record.get("ruleGroupList")):
        ended = group.get("terminatingRule")
        if isinstance(ended, dict):
            yield str(ended.get("ruleId")), str(ended.get("action"))
        for rule in _rules(group.get("nonTerminatingMatchingRules")):
            yield str(rule.get("ruleId")), str(rule.get("action"))
        for rule in _rules(group.get("excludedRules")):
            yield str(rule.get("ruleId")), "COUNT"
    for rule in _rules(record.get("rateBasedRuleList")):
        if name := rule.get("rateBasedRuleName") or rule.get("rateBasedRuleId"):
            yield str(name), "RATE"


def _details(record: dict[str, Any]) -> Iterator[str]:
    """What of the request matched, and as what."""
    found = list(_rules(record.get("terminatingRuleMatchDetails")))
    for rule in _rules(record.get("nonTerminatingMatchingRules")):
        found.extend(_rules(rule.get("ruleMatchDetails")))
    for group in _rules(record.get("ruleGroupList")):
        found.extend(_rules(dig(group, "terminatingRule.ruleMatchDetails")))
        for rule in _rules(group.get("nonTerminatingMatchingRules")):
            found.extend(_rules(rule.get("ruleMatchDetails")))
    for detail in found:
        data = detail.get("matchedData")
        words = " ".join(map(str, data)) if isinstance(data, list) else str(data or "")
        yield f"{detail.get('conditionType')} in {detail.get('location')}: {words}"


def _labels(record: dict[str, Any]) -> Iterator[str]:
    for label in _rules(record.get("labels")):
        if isinstance(label.get("name"), str):
            yield label["name"]
