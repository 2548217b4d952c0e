"""A card says what it lacks, and reads as Markdown whatever it holds."""

import pytest

from ml.registry.card import Card, lacks, markdown
from ml.registry.registry import NotRegistered, StoredPrior
from tests.registry.cards import stored, whole


def test_a_whole_card_lacks_nothing_and_survives_json() -> None:
    card = whole(stored())
    assert lacks(card) == []
    assert Card.model_validate_json(card.model_dump_json()) == card


def test_a_card_of_an_earlier_release_still_loads() -> None:
    card = whole(stored()).model_dump()
    del card["window"]["erased_upto"]
    assert Card.model_validate(card) == whole(stored())


@pytest.mark.parametrize(
    ("field", "empty", "said"),
    [
        ("purpose", "", "its purpose"),
        ("seed", None, "its seed"),
        ("inputs", [], "its inputs"),
        ("window", None, "its data window"),
        ("offline", None, "offline metrics"),
        ("groups", [], "groups of people"),
        ("checks", [], "fairness checks"),
        ("limits", [], "its limits"),
    ],
)
def test_what_is_empty_is_lacking_and_the_card_still_reads(field: str, empty: object, said: str) -> None:
    card = whole(stored()).model_copy(update={field: empty})
    assert lacks(card) == [said]
    assert markdown(card).startswith("# prior\n")


def test_the_text_has_the_window_as_sequences_and_marks_a_failed_check() -> None:
    text = markdown(whole(stored(), passed=False))
    assert "Sequences 1 to 2 of the stream" in text
    assert "| people: foretold no worse | FAILED | error changes by -0.1 |" in text
    assert "| DR | +0.3000 [+0.2000, +0.4000] |" in text


def test_an_error_that_was_never_measured_reads_as_none() -> None:
    card = whole(stored())
    assert card.offline is not None
    names = ("error", "neutral_error", "newcomer_error", "neutral_newcomer_error")
    text = markdown(card.model_copy(update={"offline": card.offline.model_copy(update=dict.fromkeys(names))}))
    assert "| held-out | – | – |\n| newcomers' | – | – |" in text


def test_a_prior_is_read_back_to_the_bit() -> None:
    prior = stored(1 / 3)
    again = StoredPrior.from_json(prior.to_json())
    assert again.a0.tobytes() == prior.a0.tobytes()
    assert again.holds(prior.digest)
    assert not again.holds("0" * 64)


@pytest.mark.parametrize("data", [b"{", b"{}", b'{"feature_set": "x", "digest": "", "a0": [[1]], "b0": [1]}', b"[]"])
def test_what_is_no_prior_is_refused(data: bytes) -> None:
    with pytest.raises(NotRegistered, match=r"prior\.json"):
        StoredPrior.from_json(data)
