"""Finds protocols on ports that are not theirs, and flows on TLS's port that speak no TLS."""
