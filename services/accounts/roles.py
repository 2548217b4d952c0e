"""Who may do what: the one table of roles and permissions, for pages, routes, keys and remote SQL alike."""

from typing import Literal, get_args

Permission = Literal["view", "sql", "operate", "administer"]
Role = Literal["viewer", "analyst", "ops", "admin"]

PERMISSIONS: tuple[Permission, ...] = get_args(Permission)

ALLOWS: dict[Permission, str] = {
    "view": "every page and report, keys of one's own",
    "sql": "statements, saved queries, remote SQL",
    "operate": "policies, tips, replays, resets, dead letters",
    "administer": "accounts, everybody's keys, erasure",
}
"""What each permission allows, in words."""

ROLES: dict[Role, frozenset[Permission]] = {
    "viewer": frozenset({"view"}),
    "analyst": frozenset({"view", "sql"}),
    "ops": frozenset({"view", "sql", "operate"}),
    "admin": frozenset(PERMISSIONS),
}


def roles_markdown() -> str:
    """The table of roles and permissions as Markdown."""
    lines = [f"| permission | allows | {' | '.join(ROLES)} |", "|---|---|" + ":-:|" * len(ROLES)]
    for permission, words in ALLOWS.items():
        marks = ("yes" if permission in permissions else "" for permissions in ROLES.values())
        lines.append(f"| `{permission}` | {words} | {' | '.join(marks)} |")
    return "\n".join(lines)
