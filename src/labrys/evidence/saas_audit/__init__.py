"""Audit logs of software services."""
