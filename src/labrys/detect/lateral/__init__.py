"""Finds a host that begins to administer others: new edges of SMB, RDP, WinRM, SSH and RPC."""
