"""What models of detectors are made of: features and what an attacker can do to them, artefacts with
a card, and the small evaluators that run them without the libraries that trained them."""
