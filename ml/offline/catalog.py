"""The catalog as it stood at any sequence, from the signed events that the read model keeps."""

from collections.abc import Sequence

import duckdb
import orjson

from contracts.errors import TipstreamError
from contracts.events.catalog import TipPublished
from ml.features.feature_set import FeatureSet, TipAttributes
from ml.features.vector import Array, tip_attributes_from
from ml.policies.scoring import TipRows
from projections.folds.catalog import CatalogState, Tip

_PUBLISHED = "SELECT seq, body FROM admin_actions WHERE type = $type ORDER BY seq"


class NoSuchTip(TipstreamError):
    """A decision names a tip that the catalog did not hold when it was made."""


class PastCatalog:
    """Tip factors of candidates at their decision's `catalog_seq`; decisions ask for the same few lists again."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, feature_set: FeatureSet) -> None:
        self._feature_set = feature_set
        self._rows = TipRows(feature_set)
        self._slates: dict[tuple[int, tuple[str, ...]], Array] = {}
        self._catalog = CatalogState()
        for seq, body in connection.execute(_PUBLISHED, {"type": TipPublished.ce_type()}).fetchall():
            tip = TipPublished.model_validate_json(body)
            known = Tip(tip.tip_id, tip.title, tip.category, tip.effort, tip.minutes, True, seq)
            self._catalog.versions.setdefault(tip.tip_id, []).append(known)

    def rows(self, tip_ids: Sequence[str], described: str | None, seq: int) -> Array:
        """The tip factors (k, d); `described` is JSON of features by tip that a caller gave. Raises NoSuchTip,
        FeatureError."""
        if described is not None:
            told = orjson.loads(described)
            return self._rows.of([self._tip(tip_id, told.get(tip_id), seq) for tip_id in tip_ids])
        key = (seq, tuple(tip_ids))
        if (slate := self._slates.get(key)) is None:
            slate = self._slates[key] = self._rows.of([self._tip(tip_id, None, seq) for tip_id in tip_ids])
        return slate

    def _tip(self, tip_id: str, features: dict[str, float | str] | None, seq: int) -> Tip | TipAttributes:
        if features is not None:
            return tip_attributes_from(self._feature_set, tip_id, features)
        tip = self._catalog.at(tip_id, seq)
        if tip is None:
            raise NoSuchTip(f"tip {tip_id!r:.100} was not in the catalog at {seq}")
        return tip
