"""The feature sets: data. Serving, verifying and training all read these same definitions.

A context factor that is equal for all candidates can't change which one is best, so beyond the bias every
factor of the moment meets a factor of the tip it speaks for. A definition is never edited: a change is a new
feature set.
"""

from ml.features.factors import around, category, constant, contrast, duration, effort, level, weekend
from ml.features.feature_set import Feature, FeatureSet, Signal

HOUR_S = 3600

CATEGORIES = ("movement", "rest", "mind", "focus", "social", "nutrition")
"""What a tip can be about."""

MEETINGS_LEFT = Signal(
    "meetings_left", "calendar", "meetings left today", default=2, bounds=(0, 4), max_age_s=12 * HOUR_S
)
STEPS = Signal("steps", "steps", "steps walked in a day", default=6000, bounds=(0, 12_000), max_age_s=24 * HOUR_S)
SLEEP_HOURS = Signal("sleep_hours", "sleep", "hours slept last night", default=7, bounds=(4, 10), max_age_s=36 * HOUR_S)
MOOD = Signal("mood", "mood", "mood from 1 (low) to 5 (bright)", default=3, bounds=(1, 5), max_age_s=12 * HOUR_S)
STRESS = Signal("stress", "mood", "stress from 1 (calm) to 5 (tense)", default=3, bounds=(1, 5), max_age_s=12 * HOUR_S)
SCREEN_MINUTES = Signal(
    "screen_minutes",
    "screen",
    "minutes at a screen in a day",
    default=240,
    bounds=(0, 480),
    max_age_s=24 * HOUR_S,
)

_morning = around(9, reach=5)
_evening = around(20, reach=5)

WELLBEING_V1 = FeatureSet(
    "wellbeing.v1",
    (
        Feature("bias", "1 for every tip at every moment", constant, constant),
        *(Feature(f"category_{name}", f"1 for tips about {name}", constant, category(name)) for name in CATEGORIES),
        Feature("tip_effort", "effort of the tip: -1 none, 1 a lot", constant, effort),
        Feature("tip_duration", "time the tip takes: 0 for ten minutes, near 1 for hours", constant, duration),
        Feature("morning_effort", "time of day x effort: demanding tips around 09:00", _morning, effort),
        Feature(
            "evening_calm",
            "time of day x category: rest and mind around 20:00",
            _evening,
            category("rest", "mind"),
        ),
        Feature(
            "weekend_social",
            "day of week x category: social tips at the weekend",
            weekend,
            category("social"),
        ),
        Feature(
            "meetings_duration",
            "busyness x duration: long tips on a full day",
            level("meetings_left"),
            duration,
            (MEETINGS_LEFT,),
        ),
        Feature(
            "sedentary_movement",
            "screen time against steps x category: movement after a day spent sitting",
            contrast("screen_minutes", "steps"),
            category("movement"),
            (SCREEN_MINUTES, STEPS),
        ),
        Feature(
            "sleep_effort",
            "sleep x effort: demanding tips after a good night",
            level("sleep_hours"),
            effort,
            (SLEEP_HOURS,),
        ),
        Feature(
            "strain_calm",
            "stress against mood x category: rest and mind on a hard day",
            contrast("stress", "mood"),
            category("rest", "mind"),
            (STRESS, MOOD),
        ),
    ),
)

FEATURE_SETS = {WELLBEING_V1.name: WELLBEING_V1}
CURRENT = WELLBEING_V1.name
