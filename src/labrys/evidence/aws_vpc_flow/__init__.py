"""AWS VPC and transit gateway flow logs."""
