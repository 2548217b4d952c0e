"""What every router of the admin routes begins with: the folder `/api/admin`, and the gate before it."""

from fastapi import APIRouter, Depends

from services.api.admin.actor import require
from services.api.errors import ADMIN_PROBLEMS


def admin_router(folder: str = "") -> APIRouter:
    """A router of its own; FastAPI builds the routes of one inside another twice."""
    return APIRouter(
        prefix=f"/api/admin{folder}", tags=["admin"], dependencies=[Depends(require("view"))], responses=ADMIN_PROBLEMS
    )
