"""Warnings that a user may want to filter by class."""


class DataWarning(UserWarning):
    """Something in the data was handled in a way that the user should know of."""


class CollapseWarning(UserWarning):
    """The embedding has collapsed, or nearly: most samples lie on one point."""
