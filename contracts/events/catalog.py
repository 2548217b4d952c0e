"""The tip catalog as events: a tip's latest TipPublished holds until TipRetired."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from contracts.events.base import Id, SignedEvent, Text

Category = Literal["movement", "rest", "mind", "focus", "social", "nutrition"]


class TipPublished(SignedEvent):
    """A tip that may be shown from now on; `effort` 1 (none) to 5 (a lot), `minutes` the time it takes."""

    TYPE: ClassVar[str] = "tipstream.tip.published"
    SUBJECT: ClassVar[str] = "tips.catalog.{tip_id}"

    tip_id: Id
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    body: Text = ""
    category: Category
    effort: Annotated[int, Field(ge=1, le=5)]
    minutes: Annotated[int, Field(ge=1, le=480)]


class TipRetired(SignedEvent):
    """A tip that is no longer shown; what was learned from it stays."""

    TYPE: ClassVar[str] = "tipstream.tip.retired"
    SUBJECT: ClassVar[str] = "tips.catalog.{tip_id}"

    tip_id: Id
