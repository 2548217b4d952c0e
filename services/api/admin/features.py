"""A person's feature vectors over time: the last hundred decisions, with what had to be imputed marked."""

from datetime import datetime
from typing import Any

import orjson
from pydantic import BaseModel

from ml.features.definitions import FEATURE_SETS
from ml.features.feature_set import Feature
from ml.features.origins import Mark, marks
from projections.folds.tables import FEATURE_HISTORY
from services.api.admin.router import admin_router
from services.api.admin.rows import present
from services.api.parts import Parts, PartsOf
from services.api.paths import UserInPath
from services.paths import USER_ID

router = admin_router("/users")


class FeatureDefined(BaseModel):
    """A feature of the sets that the vectors are of, and the sources whose signals it reads."""

    name: str
    description: str
    sources: list[str]


class FeatureVector(BaseModel):
    """The chosen tip's features at one decision, by name; `marks` names those made from a default."""

    seq: int
    decision_id: str
    tip_id: str
    feature_set: str
    occurred_at: datetime
    features: dict[str, float | str]
    marks: dict[str, Mark]


class FeatureHistory(BaseModel):
    """The features, and a person's vectors, the latest first; no vectors for somebody without decisions."""

    user_id: str
    features: list[FeatureDefined]
    vectors: list[FeatureVector]


@router.get(f"/{USER_ID}/features")
def get_features(user_id: UserInPath, parts: PartsOf) -> FeatureHistory:
    """The features of a person's last hundred decisions."""
    return features(parts, user_id)


def features(parts: Parts, user_id: str) -> FeatureHistory:
    """A person's feature vectors; none for somebody who was never decided for."""
    rows = parts.read_model.feature_history(user_id)
    contexts = parts.read_model.contexts([row["seq"] for row in rows])
    defined: dict[str, Feature] = {}
    for name in dict.fromkeys(row["feature_set"] for row in rows):
        if name in FEATURE_SETS:
            defined |= {feature.name: feature for feature in FEATURE_SETS[name].features}
    return FeatureHistory(
        user_id=user_id,
        features=[
            FeatureDefined(name=one.name, description=one.description, sources=list(one.sources))
            for one in defined.values()
        ],
        vectors=[_vector(row, contexts.get(row["seq"], "{}")) for row in rows],
    )


def _vector(row: dict[str, Any], context: str) -> FeatureVector:
    feature_set = FEATURE_SETS.get(row["feature_set"])
    marked = marks(feature_set, orjson.loads(context), row["missing"])
    return FeatureVector(**present(FEATURE_HISTORY, row), marks=marked)
