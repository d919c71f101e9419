"""Alerts of other products, as findings."""
