"""The feature sets that decisions may name, with their number of features; `ml.features` defines what is in them."""

CURRENT = "wellbeing.v1"
DIMENSIONS: dict[str, int] = {CURRENT: 16}
