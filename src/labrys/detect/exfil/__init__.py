"""Finds data that leaves: uploads beyond a host's own past and its peers', and odd carriers."""
