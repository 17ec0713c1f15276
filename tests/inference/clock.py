"""A clock that moves when it is told."""


class Clock:
    """Seconds; `now` may be changed."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Instead of sleeping."""
        self.now += seconds
