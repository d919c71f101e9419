"""Sigma: rules of the whole specification, matched by columns, and their correlations."""
