"""Who acts: the admin whose key came with the request; every admin route asks."""

from typing import Annotated

from fastapi import Depends

from services.auth import require_admin

Actor = Annotated[str, Depends(require_admin)]
