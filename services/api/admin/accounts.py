"""Accounts and keys of people who administer, look or query; they stand in HOME/accounts.sqlite, not in the stream."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from contracts.events.base import Part, Text
from contracts.times import SECOND_US, Moment
from services.accounts.errors import AccountError, AccountsUnusable, NoSuchAccount
from services.accounts.identity import Identity
from services.accounts.roles import ROLES, Permission, Role
from services.api.admin.actor import Administrator, Somebody
from services.api.admin.router import admin_router
from services.api.parts import Parts, PartsOf
from services.problems import Problem

router = admin_router()


class AccountShown(BaseModel):
    """An account, what its role permits, and when it was made (seconds since 1970)."""

    name: str
    role: Role
    permissions: list[Permission]
    created_at: int


class AccountToAdd(Part):
    """A new account; the password has at least ten characters."""

    name: str
    password: SecretStr
    role: Role = "viewer"


class AccountChange(Part):
    """What to change of an account; a new password ends its sessions."""

    password: SecretStr | None = None
    role: Role | None = None


class KeyShown(BaseModel):
    """A key without its secret; times are seconds since 1970."""

    key_id: str
    name: str
    label: str
    scopes: list[Permission]
    created_at: int
    expires_at: int | None


class KeyToMake(Part):
    """A key of an account (one's own, when `name` is absent); it may `view`, and what its scopes add."""

    label: Text
    scopes: Annotated[list[Permission], Field(default_factory=list, max_length=4)]
    name: str | None = None
    expires_at: Moment | None = None


class KeyMade(KeyShown):
    """The only answer that ever holds the key's secret, `token`."""

    token: str


@router.get("/accounts")
def get_accounts(parts: PartsOf, actor: Administrator) -> list[AccountShown]:
    """Every account."""
    return accounts(parts)


@router.post("/accounts", status_code=201)
def post_account(account: AccountToAdd, parts: PartsOf, actor: Administrator) -> list[AccountShown]:
    """Make an account; every account is answered."""
    return add_account(parts, account)


@router.patch("/accounts/{name}")
def patch_account(name: str, change: AccountChange, parts: PartsOf, actor: Administrator) -> list[AccountShown]:
    """Give an account another role or password."""
    return change_account(parts, name, change)


@router.delete("/accounts/{name}")
def delete_account(name: str, parts: PartsOf, actor: Administrator) -> list[AccountShown]:
    """Remove an account with its sessions and keys."""
    return remove_account(parts, name)


@router.get("/keys")
def get_keys(parts: PartsOf, identity: Somebody) -> list[KeyShown]:
    """One's own keys; an administrator sees all."""
    return keys(parts, identity)


@router.post("/keys", status_code=201)
def post_key(key: KeyToMake, parts: PartsOf, identity: Somebody) -> KeyMade:
    """Make a key; its secret is in this answer only."""
    return make_key(parts, key, identity)


@router.delete("/keys/{key_id}")
def delete_key(key_id: str, parts: PartsOf, identity: Somebody) -> list[KeyShown]:
    """Revoke one's own key, or any as administrator."""
    return revoke_key(parts, key_id, identity)


def accounts(parts: Parts) -> list[AccountShown]:
    """Every account, by name."""
    return [
        AccountShown(
            name=found.name, role=found.role, permissions=sorted(ROLES[found.role]), created_at=found.created_at
        )
        for found in parts.accounts.accounts()
    ]


def add_account(parts: Parts, account: AccountToAdd) -> list[AccountShown]:
    """Make an account. Raises Problem naming the field."""
    with _problems():
        parts.accounts.add(account.name, account.password.get_secret_value(), account.role)
    return accounts(parts)


def change_account(parts: Parts, name: str, change: AccountChange) -> list[AccountShown]:
    """Change an account. Raises Problem naming the field."""
    password = change.password.get_secret_value() if change.password else None
    with _problems():
        parts.accounts.change(name, password=password, role=change.role)
    return accounts(parts)


def remove_account(parts: Parts, name: str) -> list[AccountShown]:
    """Remove an account. Raises Problem."""
    with _problems():
        parts.accounts.remove(name)
    return accounts(parts)


def keys(parts: Parts, identity: Identity) -> list[KeyShown]:
    """The keys that somebody may see, the latest first."""
    owner = None if identity.may("administer") else identity.name
    return [KeyShown.model_validate(key, from_attributes=True) for key in parts.accounts.keys(owner)]


def make_key(parts: Parts, key: KeyToMake, identity: Identity) -> KeyMade:
    """Make a key. Raises Problem: 403 for somebody else's or one that may more than its maker, 422 naming the field."""
    name = key.name or identity.name
    if name != identity.name and not identity.may("administer"):
        raise Problem(403, "Not permitted", "only an administrator makes keys of other accounts", field="name")
    if beyond := [scope for scope in key.scopes if not identity.may(scope)]:
        raise Problem(403, "Not permitted", f"who makes a key may {', '.join(beyond)} too", field="scopes")
    expires_at = None if key.expires_at is None else key.expires_at // SECOND_US
    with _problems():
        made, token = parts.accounts.make_key(name, key.label, key.scopes, expires_at=expires_at)
    return KeyMade(**KeyShown.model_validate(made, from_attributes=True).model_dump(), token=token)


def revoke_key(parts: Parts, key_id: str, identity: Identity) -> list[KeyShown]:
    """End a key at once. Raises Problem 404 for one that is not there or is somebody else's."""
    if all(key.key_id != key_id for key in keys(parts, identity)):
        raise Problem(404, "Not Found", "there is no such key of yours", field="key_id")
    with _problems():
        parts.accounts.revoke_key(key_id)
    return keys(parts, identity)


@contextmanager
def _problems() -> Iterator[None]:
    try:
        yield
    except NoSuchAccount as error:
        raise Problem(404, "Not Found", str(error), field=error.field) from None
    except AccountError as error:
        raise Problem.invalid([(error.field, error.detail)]) from None
    except AccountsUnusable as error:
        raise Problem.unavailable(str(error)) from None
