"""A small made-up case: a working day of ordinary noise with an intrusion in it."""
