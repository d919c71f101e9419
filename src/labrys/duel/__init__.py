"""The attacker's side: plays against a model within a budget, and tells how often it wins and how."""
