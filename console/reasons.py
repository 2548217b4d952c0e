"""Why a tip was chosen, in one sentence for the person it is for: from what spoke for it most."""

from services.api.admin.why import Why

LEAST = 0.01
"""Contributions below this say nothing."""

_CATEGORIES = {
    "movement": "moving", "rest": "rest", "mind": "calm and clarity", "focus": "focus", "social": "being with others",
    "nutrition": "food and drink",
}  # fmt: skip

# By feature, what it means that it spoke for the tip: with its value above 0 and below.
SENTENCES: dict[str, tuple[str, str]] = {
    "tip_effort": (
        "Tips that ask a bit more have gone well with you.",
        "Tips that ask little have gone well with you.",
    ),
    "tip_duration": ("Tips that take their time have gone well with you.", "Short tips have gone well with you."),
    "morning_effort": ("Mornings are a good time for you to do more.", "Mornings are a good time for you to go easy."),
    "evening_calm": ("It is evening, and calm tips do you good then.",) * 2,
    "weekend_social": ("It is the weekend, and company does you good then.",) * 2,
    "meetings_duration": ("How long it takes suits what your calendar still holds today.",) * 2,
    "sedentary_movement": ("You have been sitting a lot today.", "You have been on your feet a lot today."),
    "sleep_effort": ("What it asks of you suits how you slept.",) * 2,
    "strain_calm": ("You seem to have a hard day.", "You seem to have a good day."),
}
LEARNING = "We are still finding out what does you good."
BY_CHANCE = "Now and then we pick one by chance, to find out what does you good."
ON_THE_WHOLE = "Of all tips, this one seems right for you now."


def reason_for(found: Why, category: str) -> str:
    """The sentence for a decision; it claims only what the decision rests on."""
    if found.decision.explored or found.decision.policy == "random":
        return BY_CHANCE
    if found.terms is None:
        return ON_THE_WHOLE
    # The bias is the same for every tip, so it speaks for none.
    speaking = [term for term in found.terms.terms if term.contribution >= LEAST and term.feature != "bias"]
    best = max(speaking, key=lambda term: term.contribution, default=None)
    if best is None:
        return LEARNING
    if best.feature in SENTENCES:
        above, below = SENTENCES[best.feature]
        return above if best.x > 0 else below
    if best.feature == f"category_{category}":
        return f"Tips for {_CATEGORIES.get(category, category)} have gone well with you."
    return ON_THE_WHOLE
