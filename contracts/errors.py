"""The root of every error that Tipstream raises on purpose."""


class TipstreamError(Exception):
    """Something went wrong that the message explains, with how to mend it."""
