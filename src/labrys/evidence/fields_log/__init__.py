"""Logs whose `#Fields:` line names their columns."""
