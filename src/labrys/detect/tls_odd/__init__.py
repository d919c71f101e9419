"""Finds TLS that no public service speaks: certificates made by hand, no names, odd ports, Tor."""
