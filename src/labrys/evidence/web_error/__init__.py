"""What web servers log when something is wrong."""
