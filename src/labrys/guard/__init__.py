"""The keeper of models: who signed which, whether it is what was signed, and which one is in use."""
