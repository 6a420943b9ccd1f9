"""What can go wrong with an adapter elsewhere."""

from mixer.adapter import Unavailable


class BackendError(Exception):
    """The other adapter gave no answer, or one that makes no sense; the message says which."""


class BackendAway(BackendError, Unavailable):
    """The other adapter could not be reached, or was too late."""
