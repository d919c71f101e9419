"""Finds who scans: many addresses for one port, many ports of one address, fast or over days."""
