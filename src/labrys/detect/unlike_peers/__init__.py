"""Finds hosts that do much more of several things than the hosts beside them, whatever it means."""
