"""Finds beacons: a host that calls one destination again and again as programs do, not people."""
