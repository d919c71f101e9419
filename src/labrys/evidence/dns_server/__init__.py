"""Queries that DNS servers log."""
