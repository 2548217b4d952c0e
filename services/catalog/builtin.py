"""The tips that come with Tipstream: `tips.json` beside this module, read as the events that publish them."""

from importlib.resources import files

from pydantic import TypeAdapter

from contracts.events.catalog import TipPublished

_TIPS = TypeAdapter(list[TipPublished])


def builtin_tips() -> list[TipPublished]:
    """The 40 built-in tips in the order of the file; their `tip_id` never changes."""
    return _TIPS.validate_json(files("services.catalog").joinpath("tips.json").read_bytes())
