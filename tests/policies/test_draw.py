"""Draws belong to a decision's id, are uniform, and stay the same for ever."""

from hashlib import sha256

import numpy as np
import pytest

from ml.policies.draw import draw_of


def test_draws_are_the_pieces_of_the_hash_of_the_id() -> None:
    first = sha256(b"d1").digest()
    second = sha256(first).digest()
    pieces = [int.from_bytes(block[at : at + 8], "big") for block in (first, second) for at in (0, 8, 16, 24)]
    draw = draw_of("d1")
    assert [draw.uniform() for _ in range(8)] == [(piece >> 11) / 2**53 for piece in pieces]
    again = draw_of("d1")
    assert [again.below(10) for _ in range(8)] == [piece * 10 >> 64 for piece in pieces]


def test_draws_of_many_ids_are_uniform() -> None:
    n = 20_000
    draws = [draw_of(f"decision-{number}") for number in range(n)]
    uniforms = np.array([draw.uniform() for draw in draws])
    assert uniforms.min() >= 0.0
    assert uniforms.max() < 1.0
    assert uniforms.mean() == pytest.approx(0.5, abs=4 * (1 / 12 / n) ** 0.5)
    assert uniforms.var() == pytest.approx(1 / 12, rel=0.05)
    counts = np.bincount([draw.below(7) for draw in draws], minlength=7)
    assert len(counts) == 7
    assert np.abs(counts / n - 1 / 7).max() < 4 * (1 / 7 * 6 / 7 / n) ** 0.5


def test_one_draw_gives_independent_numbers() -> None:
    pairs = np.array([(draw.uniform(), draw.uniform()) for draw in map(draw_of, map(str, range(10_000)))])
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.04


def test_any_unicode_id_has_a_draw() -> None:
    assert draw_of("føler 🙂").uniform() != draw_of("foler").uniform()
