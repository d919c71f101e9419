"""Says which objects are Amazon Route 53 Resolver's query logs, and what rows they give.

Source: Route 53 Developer Guide, Values that appear in Resolver query logs. Ours: `query`, the name
without the dot it ends with, and `answer`, what it was answered.
"""

from typing import Any, Final

from labrys.evidence.cloud_event import Row, respell, spelling, time_of
from labrys.evidence.values import flatten

SHAPE: Final = "aws.dns_query"
_DOCUMENTED: Final = spelling(
    *("version", "account_id", "region", "vpc_id", "query_timestamp", "query_name", "query_type"),
    *("query_class", "rcode", "answers", "srcaddr", "srcport", "transport", "srcids"),
    *("firewall_rule_action", "firewall_rule_group_id", "firewall_domain_list_id"),
)
_MOST: Final = 200


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of a question; None for anything else."""
    if "query_name" not in record:
        record = respell(record, _DOCUMENTED)
    asked = record.get("query_name")
    if not isinstance(asked, str) or "query_timestamp" not in record or "rcode" not in record:
        return None
    fields = flatten(record)
    fields["query"] = asked.rstrip(".") or "."
    answers = record.get("answers")
    listed = answers if isinstance(answers, list) else [answers]
    said = [each.get("Rdata") for each in listed[:_MOST] if isinstance(each, dict)]
    if told := [each for each in said if isinstance(each, str)]:
        fields["answer"] = told
    return [(SHAPE, fields, time_of(record, "query_timestamp"))]
