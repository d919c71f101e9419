"""How many disguised command lines are caught, and what is said of ordinary ones."""
