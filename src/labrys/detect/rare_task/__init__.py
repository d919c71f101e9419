"""Finds scheduled tasks and jobs that are unusual for a host."""
