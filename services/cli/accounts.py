"""The commands for who may come in: accounts, keys and links, changed in HOME itself, whether Tipstream runs or not."""

import sys
import time
from typing import Annotated

import typer
from rich.console import Console

from contracts.errors import TipstreamError
from contracts.subjects import MAX_ID_CHARS
from contracts.times import SECOND_US, format_time
from services.accounts.accounts import Accounts
from services.accounts.errors import AccountError
from services.accounts.roles import PERMISSIONS, ROLES, Permission, Role
from services.accounts.tickets import Tickets
from services.accounts.visitors import LONGEST_DAYS as LONGEST_LINK_DAYS
from services.accounts.visitors import USUAL_DAYS, link_path
from services.cli import panels
from services.cli.rows import show_rows
from services.keys import check_begun
from services.settings import Settings

DAY_S = 24 * 3600
LONGEST_DAYS = 3650

Name = Annotated[str, typer.Argument(help="The account's name.")]
RoleName = Annotated[str, typer.Option("--role", help=f"One of {', '.join(ROLES)}.")]

account = typer.Typer(no_args_is_help=True, help="Who may log in to the console, and as what.")
key = typer.Typer(no_args_is_help=True, help="Keys of accounts, for programs.")


class BadRole(TipstreamError):
    """A role or scope on the command line is none that there is."""


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(account, name="account", rich_help_panel=panels.ACCESS)
    app.add_typer(key, name="key", rich_help_panel=panels.ACCESS)
    app.command(rich_help_panel=panels.ACCESS)(link)


@account.command("list")
def list_accounts() -> None:
    """Every account, its role and what that permits."""
    rows = [
        (found.name, found.role, ", ".join(_ordered(ROLES[found.role])), _moment(found.created_at))
        for found in _accounts().accounts()
    ]
    show_rows(Console(), ("name", "role", "may", "since"), rows)


@account.command("add")
def add_account(name: Name, role: RoleName = "viewer") -> None:
    """Make an account; the password is asked for, or read from standard input."""
    chosen = _role(role)
    _accounts().add(name, _password(), chosen)
    print(f"{name} may log in as {chosen}")


@account.command("remove")
def remove_account(name: Name) -> None:
    """Remove an account with its sessions and keys."""
    _accounts().remove(name)
    print(f"{name} is removed, sessions and keys too")


@account.command("role")
def set_role(name: Name, role: Annotated[str, typer.Argument(help=f"One of {', '.join(ROLES)}.")]) -> None:
    """Give an account another role; it holds at once."""
    chosen = _role(role)
    _accounts().change(name, role=chosen)
    print(f"{name} is {chosen}")


@account.command("password")
def set_password(name: Name) -> None:
    """Give an account another password, which ends its sessions."""
    _accounts().change(name, password=_password())
    print(f"{name} has another password; open sessions have ended")


@key.command("list")
def list_keys(name: Annotated[str | None, typer.Option("--account", help="Only this account's.")] = None) -> None:
    """Keys without their secrets, the latest first."""
    rows = [
        (found.key_id, found.name, found.label, ", ".join(found.scopes), _moment(found.expires_at))
        for found in _accounts().keys(name)
    ]
    show_rows(Console(), ("key", "account", "label", "may", "expires"), rows)


@key.command("make")
def make_key(
    name: Name,
    label: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help=f"What it may besides view: {', '.join(PERMISSIONS)}.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="How long it lasts; for ever without.", min=1, max=LONGEST_DAYS)
    ] = None,
) -> None:
    """Make a key of an account and print its secret, which is not shown again."""
    expires_at = None if days is None else int(time.time()) + days * DAY_S
    made, token = _accounts().make_key(name, label, [_scope(one) for one in scope or ()], expires_at=expires_at)
    print(token)
    print(f"key {made.key_id} of {name}: {', '.join(made.scopes)}; expires {_moment(expires_at)}", file=sys.stderr)


@key.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="As `tipstream key list` shows it.")]) -> None:
    """End a key at once."""
    _accounts().revoke_key(key_id)
    print(f"key {key_id} opens nothing any more")


def link(
    user: Annotated[str, typer.Argument(help="The person's id.")],
    days: Annotated[int, typer.Option(help="How long it lasts.", min=1, max=LONGEST_LINK_DAYS)] = USUAL_DAYS,
) -> None:
    """Print the link with which a person gets their tips; whoever has it is that person there."""
    if not 1 <= len(user) <= MAX_ID_CHARS:
        raise AccountError("user", f"the id of a person has 1 to {MAX_ID_CHARS} characters")
    settings = Settings()
    check_begun(settings)
    settings.make_home()
    path, until = link_path(Tickets(settings.keys_dir), user, days)
    print(settings.api_base + path)
    print(f"for {user}; expires {_moment(until)}", file=sys.stderr)


def _accounts() -> Accounts:
    settings = Settings()
    settings.make_home()
    return Accounts(settings.home)


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _role(text: str) -> Role:
    for role in ROLES:
        if role == text:
            return role
    raise BadRole(f"role {text!r} is none of {', '.join(ROLES)}")


def _scope(text: str) -> Permission:
    for permission in PERMISSIONS:
        if permission == text:
            return permission
    raise BadRole(f"scope {text!r} is none of {', '.join(PERMISSIONS)}")


def _ordered(permissions: frozenset[Permission]) -> list[Permission]:
    return [permission for permission in PERMISSIONS if permission in permissions]


def _moment(seconds: int | None) -> str:
    return "never" if seconds is None else format_time(seconds * SECOND_US)
