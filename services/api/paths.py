"""The person that a path of the admin routes is about."""

from typing import Annotated

from fastapi import Depends, Path, Request

from services.paths import USER_ID, id_of
from services.problems import Problem


def user_in_path(
    request: Request, user_id: Annotated[str, Path(description="percent-encoded; any id, slashes too")]
) -> str:
    """A route's dependency: the person whose id stands behind `/users/`. Raises Problem."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    encoded, _, action = raw.partition(b"?")[0].partition(b"/users/")[2].partition(b"/")
    template = request.scope["route"].path
    if action != template.partition(USER_ID)[2].removeprefix("/").encode():
        raise Problem(404, "Not Found", "percent-encode the id: a slash in it is %2F")
    return id_of(encoded)


UserInPath = Annotated[str, Depends(user_in_path)]
