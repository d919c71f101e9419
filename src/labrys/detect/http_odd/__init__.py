"""Finds HTTP that programs speak and people do not: what malware fetches, and how it reports."""
