"""Every part's health with all its details, for admins."""

from fastapi import APIRouter, Request

from services.api.condition import Watch
from services.api.health import Health, describe

router = APIRouter()


@router.get("/health", response_model_exclude_none=True)
async def get_admin_health(request: Request) -> Health:
    """The document of `/api/health` with details, always 200: that it answers is not the question here."""
    watch: Watch = request.app.state.watch
    return describe(await watch.condition(), detailed=True)
