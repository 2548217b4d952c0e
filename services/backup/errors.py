"""What backing up and restoring can stumble on."""

from contracts.errors import TipstreamError


class BackupFailed(TipstreamError):
    """No backup was made, and nothing of it is left; the message says why and what to mend."""


class BackupDamaged(TipstreamError):
    """The file is no backup, or not as it was written; the message names the part. Take another one."""


class RestoreRefused(TipstreamError):
    """A backup cannot be put there, and nothing was changed; the message says what is in the way."""


class RestoreFailed(TipstreamError):
    """A restore did not end, and HOME is not to be used; the message says why. Run it again."""
