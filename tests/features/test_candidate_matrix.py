"""Tip factors, inline features, the candidate matrix and its digest."""

import math
import struct
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.features.definitions import CATEGORIES, WELLBEING_V1
from ml.features.feature_set import TipAttributes
from ml.features.vector import (
    FeatureError,
    candidate_matrix,
    matrix_digest,
    read_context,
    tip_attributes_from,
    tip_factors,
)
from tests.features.contexts import contexts, steady

tips = st.builds(
    TipAttributes,
    st.just("tip"),
    st.sampled_from([*CATEGORIES, None]),
    st.integers(1, 5) | st.floats(1, 5),
    st.integers(1, 480) | st.floats(1, 480),
)


@given(contexts, st.lists(tips, min_size=1, max_size=8))
@steady
def test_the_matrix_is_the_product_of_factors_in_bounds_and_digests_the_same_again(
    context: dict[str, Any], candidates: list[TipAttributes]
) -> None:
    factors = np.array([tip_factors(WELLBEING_V1, tip) for tip in candidates])
    vector = read_context(WELLBEING_V1, context)
    matrix = candidate_matrix(factors, vector.factors)
    assert matrix.flags.c_contiguous
    assert matrix.dtype == np.float64
    for row, tip in zip(matrix, candidates, strict=True):
        for x, f, g, feature in zip(
            row, vector.factors, tip_factors(WELLBEING_V1, tip), WELLBEING_V1.features, strict=True
        ):
            assert x == f * g
            assert feature.bounds[0] <= x <= feature.bounds[1]
    again = candidate_matrix(factors.copy(order="F"), read_context(WELLBEING_V1, vector.read).factors)
    assert matrix_digest(again) == matrix_digest(matrix)


def test_the_digest_is_sha_256_over_little_endian_doubles_row_by_row() -> None:
    matrix = np.array([[1.0, -0.5], [0.1, 0.0]])
    expected = sha256(struct.pack("<4d", 1.0, -0.5, 0.1, 0.0)).hexdigest()
    for same in (matrix, np.asfortranarray(matrix), matrix.astype(">f8")):
        assert matrix_digest(same) == expected


def test_no_minus_zero_reaches_the_digest() -> None:
    matrix = candidate_matrix(np.array([[-1.0]]), np.array([0.0]))
    assert math.copysign(1.0, matrix[0, 0]) == 1.0


@pytest.mark.parametrize(
    ("effort", "minutes", "expected"), [(1, 1, (-1.0, -9 / 11)), (3, 10, (0.0, 0.0)), (5, 30, (1.0, 0.5))]
)
def test_effort_and_duration_have_their_middle_at_three_and_ten_minutes(
    effort: int, minutes: int, expected: tuple[float, float]
) -> None:
    factors = tip_factors(WELLBEING_V1, TipAttributes("t", "focus", effort, minutes))
    columns = WELLBEING_V1.columns
    assert (factors[columns["tip_effort"]], factors[columns["tip_duration"]]) == expected


def test_inline_attributes_make_the_same_factors_as_the_catalog() -> None:
    inline = tip_attributes_from(WELLBEING_V1, "t", {"category": "rest", "effort": 2.0, "minutes": 5})
    catalog = TipAttributes("t", "rest", 2, 5)
    assert tip_factors(WELLBEING_V1, inline).tobytes() == tip_factors(WELLBEING_V1, catalog).tobytes()


def test_inline_features_left_out_are_neutral() -> None:
    factors = tip_factors(WELLBEING_V1, tip_attributes_from(WELLBEING_V1, "t", {}))
    assert dict(zip(WELLBEING_V1.names, factors, strict=True)) == {name: name == "bias" for name in WELLBEING_V1.names}


def test_a_factor_given_by_its_feature_name_replaces_only_that_one() -> None:
    inline = tip_attributes_from(WELLBEING_V1, "t", {"sleep_effort": -0.25, "effort": 5})
    factors = tip_factors(WELLBEING_V1, inline)
    assert factors[WELLBEING_V1.columns["sleep_effort"]] == -0.25
    assert factors[WELLBEING_V1.columns["tip_effort"]] == 1.0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("color", 1.0),
        ("category", "sports"),
        ("category", 3),
        ("category", ["rest"]),
        ("effort", 0),
        ("effort", "hard"),
        ("effort", True),
        ("minutes", 0),
        ("minutes", math.inf),
        ("minutes", None),
        ("tip_effort", 1.5),
        ("tip_effort", math.nan),
        ("bias", "1"),
    ],
)
def test_an_inline_feature_that_can_not_be_meant_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(FeatureError, match=key) as caught:
        tip_attributes_from(WELLBEING_V1, "t", {key: value})
    assert caught.value.key == key


def test_a_given_factor_of_another_feature_set_is_refused() -> None:
    with pytest.raises(FeatureError, match="no feature of"):
        tip_factors(WELLBEING_V1, TipAttributes("t", given=(("color", 1.0),)))
