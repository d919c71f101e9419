"""Finds cloud and service calls that are unusual for who makes them."""
