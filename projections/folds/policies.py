"""`policies`: each policy's standing, weight and parameters; the recommender and the scorer read it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.events.admin import (
    ModelPromoted,
    ModelShadowed,
    ModelWithdrawn,
    PolicyDisabled,
    PolicyEnabled,
    PolicyPromoted,
    PolicyShadowed,
    PriorEvent,
)
from projections.folds.attribution import Step
from projections.folds.changes import Change, Put
from projections.folds.learning import LEAST_GAMMA
from projections.folds.tables import POLICIES
from projections.folds.text import canonical_json


@dataclass(slots=True)
class Policy:
    """A policy as it stands: `live`, `shadow` or `disabled`; `version` counts its changes, `weight` its share."""

    policy: str
    standing: str = "disabled"
    weight: float = 0.0
    params: dict[str, float] = field(default_factory=dict)
    version: int = 0
    changed_by: str = ""
    changed_us: int = 0
    seq: int = 0


@dataclass(slots=True)
class Model:
    """A prior, promoted or in shadow: A = a0 + S, b = b0 + c for decisions of its feature set.

    One that does not count only has its name: A = lambda I + S, b = c.
    """

    model_version: str
    feature_set: str
    a0: list[list[float]]
    b0: list[float]
    seq: int
    counts: bool = True


@dataclass(slots=True)
class PoliciesState:
    """Every policy named so far, the models promoted so far in stream order, and of each feature set the one in shadow.

    `gammas` are the forgetting factors below 1 that policies were ever given: what was learned under one is kept.
    """

    policies: dict[str, Policy] = field(default_factory=dict)
    models: list[Model] = field(default_factory=list)
    shadowed: dict[str, Model] = field(default_factory=dict)
    gammas: tuple[float, ...] = ()

    def live(self) -> list[Policy]:
        """The live policies in order of their names."""
        return [policy for _, policy in sorted(self.policies.items()) if policy.standing == "live"]

    def model(self, feature_set: str, seq: int | None = None) -> Model | None:
        """The promoted model of a feature set, as it stood at `seq` (now, when None)."""
        for model in reversed(self.models):
            if model.feature_set == feature_set and (seq is None or model.seq <= seq):
                return model
        return None


def fold_policies(state: PoliciesState, step: Step) -> Iterable[Change]:
    """Fold a step into `state`; the rows of the policies it changes."""
    if step.entry is None:
        return
    event = step.entry.event
    if isinstance(event, PolicyPromoted):
        for policy in state.live():
            if policy.policy != event.policy:
                yield _stand(state, step, policy.policy, "disabled", 0.0, {})
        yield _stand(state, step, event.policy, "live", 1.0, event.params)
    elif isinstance(event, PolicyEnabled):
        yield _stand(state, step, event.policy, "live", event.weight, event.params)
    elif isinstance(event, PolicyShadowed):
        yield _stand(state, step, event.policy, "shadow", 0.0, event.params)
    elif isinstance(event, PolicyDisabled):
        yield _stand(state, step, event.policy, "disabled", 0.0, {})
    elif isinstance(event, ModelPromoted):
        state.models.append(_model(event, step.seq, counts=not event.no_model))
        _end_shadow(state, event)
    elif isinstance(event, ModelShadowed):
        state.shadowed[event.feature_set] = _model(event, step.seq)
    elif isinstance(event, ModelWithdrawn):
        _end_shadow(state, event)


def _model(event: PriorEvent, seq: int, *, counts: bool = True) -> Model:
    return Model(event.model_version, event.feature_set, event.a0, event.b0, seq, counts)


def _end_shadow(state: PoliciesState, event: ModelPromoted | ModelWithdrawn) -> None:
    """The version is in shadow no longer; another one stays there."""
    model = state.shadowed.get(event.feature_set)
    if model is not None and model.model_version == event.model_version:
        del state.shadowed[event.feature_set]


def _stand(state: PoliciesState, step: Step, name: str, standing: str, weight: float, params: dict[str, float]) -> Put:
    assert step.entry is not None
    policy = state.policies.setdefault(name, Policy(name))
    policy.standing, policy.weight = standing, weight
    policy.params = params or policy.params
    gamma = params.get("gamma", 1.0)
    if LEAST_GAMMA <= gamma < 1.0 and gamma not in state.gammas:
        state.gammas = (*state.gammas, gamma)
    policy.version += 1
    policy.changed_by, policy.changed_us, policy.seq = (
        step.entry.actor or "",
        step.entry.occurred_us,
        step.seq,
    )
    values = (canonical_json(policy.params), policy.version, policy.changed_by, policy.changed_us, policy.seq)
    return Put(POLICIES, (name, standing, weight, *values))
