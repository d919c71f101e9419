"""Extraction: questions buy a copy of the model that answers as it does."""
