"""What every event has in common: a versioned type, a subject pattern and a strict JSON body."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from contracts import subjects

Id = Annotated[str, StringConstraints(min_length=1, max_length=subjects.MAX_ID_CHARS)]
"""Any Unicode text of 1 to 512 characters: people, tips, decisions and events are named by their owners."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
"""A name Tipstream gives: policies, feature sets, sources, projections."""

MAX_INTEGER = 2**63 - 1
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Position = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
"""Whole numbers that every store can hold: 64 bits with sign."""

Text = Annotated[str, StringConstraints(max_length=4000)]


class Part(BaseModel):
    """A strict piece of an event body: no unknown fields, no coercion, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Event(Part):
    """One fact, named in the past tense; `SUBJECT` says where it is published and which fields the subject holds."""

    TYPE: ClassVar[str]
    VERSION: ClassVar[int] = 1
    SUBJECT: ClassVar[str]
    SIGNED: ClassVar[bool] = False

    @classmethod
    def ce_type(cls) -> str:
        """The CloudEvents type with its version, such as `tipstream.feedback.received.v1`."""
        return f"{cls.TYPE}.v{cls.VERSION}"

    def subject(self) -> str:
        """The subject this event is published on."""
        ids = {name: str(getattr(self, name)) for name in subjects.places(self.SUBJECT)}
        return subjects.build(self.SUBJECT, ids)

    def person(self) -> str | None:
        """Whom the event is about or names, None when that is nobody."""
        user_id: str | None = getattr(self, "user_id", None)
        return user_id

    def happened_us(self) -> int | None:
        """When the producer says it happened (microseconds since 1970), None when the body does not say."""
        return None

    def to_json(self) -> bytes:
        """The JSON body; what is None is left out."""
        return self.model_dump_json(exclude_none=True).encode()


class SignedEvent(Event):
    """An event that only counts with an Ed25519 signature and its actor (RFC 8032)."""

    SIGNED: ClassVar[bool] = True

    reason: Text | None = Field(default=None, description="why, in the actor's words")
