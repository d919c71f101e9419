"""The errors labrys raises; every message says what happened, where, and what to do next."""


class LabrysError(Exception):
    """Base of everything labrys raises on purpose; the command line shows it without a traceback."""


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
