"""The errors labrys raises; every message says what happened, where, and what to do next."""


class LabrysError(Exception):
    """Base of everything labrys raises on purpose; the command line shows it without a traceback."""


class EvidenceError(LabrysError):
    """A source, or a part of one, cannot be read.

    `source` is the path as the user gave it (with `!/inner/path` inside archives), `offset` the
    position in the format's own unit (bytes for text, record number for EVTX), -1 when unknown.
    """

    def __init__(self, source: str, offset: int, reason: str) -> None:
        super().__init__(source, offset, reason)
        self.source = source
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        where = f"{self.source} at {self.offset}" if self.offset >= 0 else self.source
        return f"{where}: {self.reason}"


class RuleError(LabrysError):
    """A rule cannot be loaded; `path` names its file and `reason` says exactly why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class ModelError(LabrysError):
    """A model file is missing, unsigned, or not the one its card describes."""


class EngineError(LabrysError):
    """The query engine (DuckDB or a Spark Connect endpoint) refused or failed."""
