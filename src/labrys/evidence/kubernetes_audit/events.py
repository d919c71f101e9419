"""Says which objects are Kubernetes audit events, and what rows they give.

Source: Kubernetes documentation, kube-apiserver Audit Configuration (audit.k8s.io/v1).
"""

from typing import Any, Final

from labrys.evidence.cloud_event import Row, time_of
from labrys.evidence.values import flatten

SHAPE: Final = "kubernetes.audit"


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of an audit event; None for anything else."""
    version = record.get("apiVersion")
    if isinstance(version, str) and version.startswith("audit.k8s.io/"):
        if "items" in record or "verb" not in record:
            return None
    elif not ("auditID" in record and "verb" in record and "stage" in record):
        return None
    time = time_of(record, "requestReceivedTimestamp", "stageTimestamp", "timestamp")
    return [(SHAPE, flatten(record), time)]
