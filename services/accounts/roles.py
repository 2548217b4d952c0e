"""Who may do what: the one table of roles and permissions, for pages, routes, keys and remote SQL alike."""

from typing import Literal, get_args

Permission = Literal["view", "sql", "operate", "administer"]
Role = Literal["viewer", "analyst", "ops", "admin"]

PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
"""`view`: every page and report. `sql`: statements, saved queries, remote SQL. `operate`: policies, tips, replays,
resets, dead letters. `administer`: accounts, keys, erasure."""

ROLES: dict[Role, frozenset[Permission]] = {
    "viewer": frozenset({"view"}),
    "analyst": frozenset({"view", "sql"}),
    "ops": frozenset({"view", "sql", "operate"}),
    "admin": frozenset(PERMISSIONS),
}
