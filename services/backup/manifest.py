"""What a backup says of itself: when and of which log it was taken, and what each of its members must be."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = 1
STREAM = "stream"
"""The part that holds the log; every other is put under HOME by its name."""

_FIXED = ConfigDict(frozen=True, extra="forbid")


class Member(BaseModel):
    """One file of the backup: its size in bytes and the SHA-256 of its content, in hexadecimal digits."""

    model_config = _FIXED

    name: str
    size: int = Field(ge=0)
    sha256: str


class Log(BaseModel):
    """The stream in the backup; `missing` are the sequences from 1 on that hold no event, as inclusive ranges.

    `created` names the incarnation that was backed up; `config` and `state` are JetStream's own words.
    """

    model_config = _FIXED

    name: str
    created: str
    server: str
    first_seq: int
    last_seq: int
    messages: int
    missing: tuple[tuple[int, int], ...]
    config: dict[str, Any]
    state: dict[str, Any]


class Manifest(BaseModel):
    """`key_id` is the signing key that the log trusts; its file is a member."""

    model_config = _FIXED

    format: Literal[1]
    release: str
    taken_at: str
    key_id: str
    log: Log
    members: tuple[Member, ...]

    @property
    def parts(self) -> list[str]:
        """What of HOME is in it, in the order of the backup."""
        found = dict.fromkeys(member.name.partition("/")[0] for member in self.members)
        return [part for part in found if part != STREAM]

    def size_of(self, part: str) -> int:
        """Bytes of the members that are `part` or lie in it."""
        return sum(member.size for member in self.members if member.name.partition("/")[0] == part)

    def lines(self) -> list[str]:
        """The backup in words."""
        log = self.log
        gaps = sum(last - first + 1 for first, last in log.missing)
        return [
            f"taken      {self.taken_at} by Tipstream {self.release} from NATS {log.server}",
            f"log        {log.name} {log.first_seq}-{log.last_seq}, {log.messages:,} events"
            + (f", {gaps:,} sequences without one" if gaps else ""),
            f"signed by  {self.key_id}",
            *(f"{part:<10} {self.size_of(part):,} bytes" for part in self.parts),
        ]
