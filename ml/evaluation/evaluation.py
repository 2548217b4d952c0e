"""A target policy evaluated on a log: every estimator side by side, or in words why not."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ml.evaluation import estimators
from ml.evaluation.estimate import Estimate
from ml.evaluation.evidence import Evidence
from ml.evaluation.overlap import MIN_DECISIONS, Overlap, caution, overlap, refusal, replay_refusal

Estimator = Callable[[Evidence], Estimate]

ESTIMATORS: dict[str, Estimator] = {
    "replay": estimators.replay,
    "IPS": estimators.ips,
    "SNIPS": estimators.snips,
    "DM": estimators.dm,
    "DR": estimators.dr,
    "switch-DR": estimators.switch_dr,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One estimator's answer; without an `estimate` the `refusal` says why."""

    estimator: str
    estimate: Estimate | None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a policy would have earned a decision, beside what the log earned (`on_policy`, None for too few decisions).

    `refusal` says why the log cannot answer at all; `caution` what to keep in mind.
    """

    on_policy: Estimate | None
    answers: tuple[Answer, ...]
    overlap: Overlap
    refusal: str
    caution: str

    def as_dict(self) -> dict[str, Any]:
        """The evaluation as JSON values."""
        return asdict(self)


def evaluate(evidence: Evidence) -> Evaluation:
    """Ask every estimator, unless the log cannot answer."""
    found = overlap(evidence)
    refused = refusal(found)
    answers = tuple(_answer(name, estimator, evidence, found, refused) for name, estimator in ESTIMATORS.items())
    known = estimators.on_policy(evidence) if evidence.n >= MIN_DECISIONS else None
    return Evaluation(known, answers, found, refused, "" if refused else caution(found))


def _answer(name: str, estimator: Estimator, evidence: Evidence, found: Overlap, refused: str) -> Answer:
    why = refused or (replay_refusal(found) if name == "replay" else "")
    return Answer(name, None, why) if why else Answer(name, estimator(evidence))
