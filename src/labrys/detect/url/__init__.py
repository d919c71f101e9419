"""Finds links that look like phishing, by how they are written and nothing else."""
