"""What an export can stumble on."""

from contracts.errors import TipstreamError


class ExportFailed(TipstreamError):
    """Nothing was written where it was asked for; the message names the file or the option and what to mend."""
