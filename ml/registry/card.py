"""A model's card: what it was made from, how it did, whom it treats how, and what it lacks to be promoted.

After Mitchell et al.: Model cards for model reporting, FAT* 2019, arXiv:1810.03993. What happens to a version later,
its rollouts and the people erased since, is added when the card is read.
"""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict


class _Piece(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Input(_Piece):
    """A feature and the sources that it reads."""

    name: str
    description: str
    sources: list[str]


class Window(_Piece):
    """The decisions that a model was fitted on: stream sequences, both within, and what they were.

    `held_out` decisions after it, up to `judged_upto`, were for judging alone. `since` and `until` are RFC 3339.
    `erased_upto` is the last receipt of an erasure that was done before the log was read, 0 for none; older cards do
    not say.
    """

    stream: str
    first_seq: int
    last_seq: int
    since: str
    until: str
    decisions: int
    reactions: int
    people: int
    held_out: int
    judged_upto: int
    young: bool
    digest: str
    erased_upto: int | None = None


class Figure(_Piece):
    """A reward a decision with its 95 % interval."""

    value: float
    low: float
    high: float
    decisions: int


class Estimate(_Piece):
    """What an estimator says of the held-out decisions; without a figure the refusal says why."""

    estimator: str
    figure: Figure | None
    refusal: str = ""


class Offline(_Piece):
    """How the model did on decisions that it was not fitted on.

    `error` is the mean squared error of held-out reactions foretold with it, `neutral_error` without; the `newcomer`
    ones are of first reactions of people whom the prior was not made of. An error is None where no reaction could be
    foretold. `earned` is what the log earned, `estimates` what the model would have.
    """

    kappa: float
    error: float | None
    neutral_error: float | None
    newcomer_error: float | None
    neutral_newcomer_error: float | None
    target: str
    earned: Figure | None
    estimates: list[Estimate]
    caution: str = ""


class Group(_Piece):
    """One group of held-out decisions: errors of its reactions, what it earned, and what it would have."""

    label: str
    decisions: int
    reactions: int
    error: float | None
    neutral_error: float | None
    earned: Figure | None
    estimate: Figure | None


class Check(_Piece):
    """A fairness check: `said` gives the figures and the threshold in words."""

    name: str
    passed: bool
    said: str


class Card(_Piece):
    """All that is known of a version when it is registered; what is None or empty is lacking."""

    name: str
    purpose: str = ""
    feature_set: str = ""
    digest: str = ""
    code: str = ""
    seed: int | None = None
    inputs: list[Input] = []
    window: Window | None = None
    offline: Offline | None = None
    groups: list[Group] = []
    checks: list[Check] = []
    limits: list[str] = []

    @property
    def failed(self) -> list[Check]:
        """The fairness checks that did not pass."""
        return [check for check in self.checks if not check.passed]


def lacks(card: Card) -> list[str]:
    """What a card needs before its version may be promoted, in words; empty for a complete one."""
    needs = {
        "its purpose": card.purpose,
        "its feature set": card.feature_set,
        "its digest": card.digest,
        "the code it was made by": card.code,
        "its seed": card.seed is not None,
        "its inputs": card.inputs,
        "its data window": card.window,
        "offline metrics": card.offline is not None and card.offline.estimates,
        "groups of people": card.groups,
        "fairness checks": card.checks,
        "its limits": card.limits,
    }
    return [name for name, given in needs.items() if not given]


def markdown(card: Card) -> str:
    """The card for people; a section that is empty says so."""
    lines = [f"# {card.name}", "", card.purpose or "_No purpose is given._", ""]
    lines += [
        f"- digest `{card.digest}`",
        f"- features {card.feature_set}",
        f"- code `{card.code}`, seed {card.seed}",
        "",
    ]
    lines += ["## Data window", "", *_window(card.window)]
    lines += ["## Inputs", ""]
    lines += _table(("feature", "sources"), [(one.name, ", ".join(one.sources) or "–") for one in card.inputs])
    lines += ["## Offline metrics", "", *_offline(card.offline)]
    lines += ["## Fairness", ""]
    lines += _table(
        ("check", "", "figures"), [(one.name, "passed" if one.passed else "FAILED", one.said) for one in card.checks]
    )
    heads = ("held-out group", "reactions", "error with it", "without")
    lines += _table(
        heads, [(one.label, f"{one.reactions:,}", *_errors(one.error, one.neutral_error)) for one in card.groups]
    )
    earned = [(one.label, f"{one.decisions:,}", shown(one.earned), shown(one.estimate)) for one in card.groups]
    lines += _table(("held-out group", "decisions", "earned", "would earn"), earned)
    lines += ["## Limits", "", *(f"- {limit}" for limit in card.limits), ""]
    return "\n".join(lines)


def _window(window: Window | None) -> list[str]:
    if window is None:
        return ["_Not given._", ""]
    young = ", those under 24 h too" if window.young else ""
    return [
        f"Sequences {window.first_seq:,} to {window.last_seq:,} of the stream begun {window.stream}, {window.since} to "
        f"{window.until}: {window.decisions:,} decisions of {window.people:,} people, {window.reactions:,} with a "
        f"reaction{young}. Judged on the {window.held_out:,} decisions after it, up to {window.judged_upto:,}. "
        f"Digest of the data `{window.digest[:16]}`.",
        "",
    ]


def _offline(offline: Offline | None) -> list[str]:
    if offline is None:
        return ["_Not given._", ""]
    rows = [("the log earned", shown(offline.earned))]
    rows += [(one.estimator, shown(one.figure)) for one in offline.estimates if one.figure is not None]
    refused: dict[str, list[str]] = {}
    for one in offline.estimates:
        if one.figure is None:
            refused.setdefault(one.refusal, []).append(one.estimator)
    return [
        f"It weighs {offline.kappa:g} pulls. Target: {offline.target}.",
        "",
        *_table(
            ("mean squared error of reactions foretold", "with it", "without"),
            [
                ("held-out", *_errors(offline.error, offline.neutral_error)),
                ("newcomers'", *_errors(offline.newcomer_error, offline.neutral_newcomer_error)),
            ],
        ),
        *_table(("reward a decision", "95 %"), rows),
        *(line for why, names in refused.items() for line in (f"No answer by {', '.join(names)}: {why}.", "")),
        *([offline.caution, ""] if offline.caution else []),
    ]


def _errors(*errors: float | None) -> Iterable[str]:
    return ("–" if error is None else f"{error:.4f}" for error in errors)


def shown(figure: Figure | None) -> str:
    """A figure with its interval."""
    return "–" if figure is None else f"{figure.value:+.4f} [{figure.low:+.4f}, {figure.high:+.4f}]"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    # A bar would begin another cell.
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    if not cells:
        return ["_Not given._", ""]
    return [_line(heads), _line(["---"] * len(heads)), *(_line(row) for row in cells), ""]


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"
