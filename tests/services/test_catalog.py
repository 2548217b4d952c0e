"""The tips that come with Tipstream."""

from collections import Counter

from services.catalog.builtin import builtin_tips


def test_there_are_forty_tips_with_ids_and_titles_of_their_own() -> None:
    tips = builtin_tips()
    assert len(tips) == 40
    assert len({tip.tip_id for tip in tips}) == len({tip.title for tip in tips}) == 40


def test_every_category_and_every_effort_is_there() -> None:
    tips = builtin_tips()
    categories = Counter(tip.category for tip in tips)
    assert set(categories) == {"movement", "rest", "mind", "focus", "social", "nutrition"}
    assert min(categories.values()) >= 6
    assert {tip.effort for tip in tips} == {1, 2, 3, 4, 5}


def test_a_tip_says_in_words_what_to_do_and_its_id_needs_no_encoding() -> None:
    for tip in builtin_tips():
        assert tip.body
        assert len(tip.body) < 200
        assert tip.subject() == f"tips.catalog.{tip.tip_id}"
