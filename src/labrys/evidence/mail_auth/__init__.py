"""Checks by whom mail was sent, from DNS records that the user gave as files; nothing is asked."""
