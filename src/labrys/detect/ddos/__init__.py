"""Finds floods: from a host of ours, or to one, in flows or in packets."""
