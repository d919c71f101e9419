"""What a conversation says in one application protocol: bytes → records."""
