"""The person or decision that a path of the admin routes is about."""

from typing import Annotated

from fastapi import Depends, Path, Request

from services.paths import DECISION_ID, USER_ID, id_of
from services.problems import Problem

ENCODED = "percent-encoded; any id, slashes too"


async def user_in_path(request: Request, user_id: Annotated[str, Path(description=ENCODED)]) -> str:
    """A route's dependency: the person whose id stands behind `/users/`. Raises Problem."""
    return _behind(request, b"/users/", USER_ID, "user_id")


async def decision_in_path(request: Request, decision_id: Annotated[str, Path(description=ENCODED)]) -> str:
    """A route's dependency: the decision whose id stands behind `/decisions/`. Raises Problem."""
    return _behind(request, b"/decisions/", DECISION_ID, "decision_id")


def _behind(request: Request, folder: bytes, place: str, field: str) -> str:
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    encoded, _, action = raw.partition(b"?")[0].partition(folder)[2].partition(b"/")
    template = request.scope["route"].path
    if action != template.partition(place)[2].removeprefix("/").encode():
        raise Problem(404, "Not Found", "percent-encode the id: a slash in it is %2F")
    return id_of(encoded, field)


UserInPath = Annotated[str, Depends(user_in_path)]
DecisionInPath = Annotated[str, Depends(decision_in_path)]
