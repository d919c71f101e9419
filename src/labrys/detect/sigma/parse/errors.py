"""Why a rule, or a part of one, cannot be compiled."""


class Unusable(Exception):
    """The rule cannot be loaded; its text says exactly why."""


class Waiting(Unusable):
    """The rule only needs the user's lists for the placeholders it names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        listed = ", ".join(f"%{name}%" for name in names)
        super().__init__(f"needs a list for {listed}")
        self.names = names
