"""Somebody who has proven who they are, and what they may do."""

from dataclasses import dataclass

from services.accounts.roles import Permission


@dataclass(frozen=True, slots=True)
class Identity:
    """A person or a key acting in a person's name; `session` names the browser session it came with, if any."""

    name: str
    permissions: frozenset[Permission]
    session: str | None = None

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions
