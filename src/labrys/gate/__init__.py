"""Mail at the gate: messages are judged while the mail server still holds them."""
