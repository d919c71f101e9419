"""Sigma rules → their compiled form (`ir.RuleSet`), nothing skipped silently.

Source: Sigma Rules, Correlation Rules and Filters Specification 2.1. pySigma reads values and
their modifiers; conditions, aggregations, correlations, filters and rule collections are ours.
"""

from labrys.detect.sigma.parse.compiler import compile_texts as compile_texts
from labrys.detect.sigma.parse.compiler import parse as parse
