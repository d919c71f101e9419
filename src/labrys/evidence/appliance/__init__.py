"""What firewalls, VPN gateways and other appliances write, in syslog or by themselves."""
