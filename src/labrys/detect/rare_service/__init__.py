"""Finds services that are unusual for a host."""
