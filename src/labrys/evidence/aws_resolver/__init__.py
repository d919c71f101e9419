"""Route 53 Resolver query logs."""
