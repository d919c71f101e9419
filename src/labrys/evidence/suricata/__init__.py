"""Suricata's EVE log."""
