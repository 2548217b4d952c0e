"""What can be wrong with a change of accounts or keys."""

from contracts.errors import TipstreamError


class AccountError(TipstreamError):
    """An account or key cannot be made or changed so; `field` names what is wrong."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field, self.detail = field, detail


class AccountsUnusable(TipstreamError):
    """The file of accounts cannot be written or read; the message says why and what to do."""


class NoSuchAccount(AccountError):
    """There is no account or key of that name."""
