"""AWS load balancer access logs."""
