"""Ids in paths, read from the path as it was sent: a decoded slash or a broken byte must not name somebody else."""

from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Path, Request

from contracts.subjects import MAX_ID_CHARS
from services.problems import Problem


def user_in_path(
    request: Request, user_id: Annotated[str, Path(description="percent-encoded; any id, slashes too")]
) -> str:
    """A route's dependency: the person whose id stands behind `/users/`. Raises Problem."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    encoded, _, action = raw.partition(b"?")[0].partition(b"/users/")[2].partition(b"/")
    template = request.scope["route"].path
    if action != template.partition("{user_id:path}")[2].removeprefix("/").encode():
        raise Problem(404, "Not Found", "percent-encode the id: a slash in it is %2F")
    try:
        found = unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        raise Problem.invalid([("user_id", "is not percent-encoded UTF-8")]) from None
    if not 1 <= len(found) <= MAX_ID_CHARS:
        raise Problem.invalid([("user_id", f"must have 1 to {MAX_ID_CHARS} characters, it has {len(found)}")])
    return found


UserInPath = Annotated[str, Depends(user_in_path)]
