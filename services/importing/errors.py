"""What an import can stumble on."""

from contracts.errors import TipstreamError


class ImportFailed(TipstreamError):
    """A file cannot be imported as it is; the message names file, line and what to mend. Nothing after it was read."""
