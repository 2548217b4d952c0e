"""What pages say where there is nothing to show."""

from types import SimpleNamespace
from typing import Any

import pytest

from console.no_decisions import NONE_YET, why_nothing


@pytest.mark.parametrize(("decisions", "said"), [([], NONE_YET), ([{}], ("Nobody reacted", "Look elsewhere."))])
async def test_a_longer_window_is_no_advice_where_nothing_was_decided(decisions: list[Any], said: Any) -> None:
    parts: Any = SimpleNamespace(read_model=SimpleNamespace(decisions=lambda *_: decisions))
    assert await why_nothing(parts, ("Nobody reacted", "Look elsewhere.")) == said
