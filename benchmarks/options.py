"""How much to measure: thorough by default, quick to see that everything runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """`turns` slices of `slice_s` seconds for each compared thing; `events` is the size of a stream to work on,
    `logs` how many logs are simulated, `rounds` those of each of the `shuffles` of a stream that policies run on.
    """

    turns: int = 7
    slice_s: float = 0.5
    events: int = 50_000
    rate_s: float = 10.0
    seeds: tuple[int, ...] = (7, 8, 9)
    people: int = 40
    days: int = 30
    logs: int = 500
    rounds: int = 500
    shuffles: int = 10

    @classmethod
    def quick(cls) -> "Options":
        """Enough to see every benchmark run, too little to believe the figures."""
        return cls(
            turns=2, slice_s=0.1, events=5_000, rate_s=2.0, seeds=(7,), people=8, days=7, logs=20, rounds=60, shuffles=2
        )
