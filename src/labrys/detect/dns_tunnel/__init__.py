"""Finds data that travels in DNS: tunnels, C2 over TXT and other records, exfiltration by name."""
