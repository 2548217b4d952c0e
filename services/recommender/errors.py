"""What keeps the recommender from answering: the request itself, or a part of the system that is away."""

from collections.abc import Sequence

from contracts.errors import TipstreamError


class Refused(TipstreamError):
    """The request cannot be answered as it is; `errors` are (field, what is wrong), `status` suggests an HTTP one."""

    def __init__(self, errors: Sequence[tuple[str, str]], status: int = 422, title: str | None = None) -> None:
        super().__init__("; ".join(f"{field}: {detail}" for field, detail in errors))
        self.errors, self.status, self.title = tuple(errors), status, title


class NotReady(TipstreamError):
    """A part that a recommendation needs is away, starting or behind (then `field` may say behind what); the same
    request may be repeated in a moment."""

    def __init__(self, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.field = field


class ScorerAway(NotReady):
    """The scorer does not answer; see whether its process runs."""
