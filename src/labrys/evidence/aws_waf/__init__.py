"""AWS WAF web ACL logs."""
