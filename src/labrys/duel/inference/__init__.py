"""Inference: from a model's answers, or its files, it is told what was in its training data."""
