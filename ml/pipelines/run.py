"""One run of the pipeline: what it is asked, what it is kept under, and the code that it runs."""

import hashlib
import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

import contracts
import ml
import projections
from contracts.errors import TipstreamError

KEY_LENGTH = 16
BEGUN = "run.json"
FEATURES = "features"
"""The first step, which says whether a log suffices; its result lies under the run's key."""

LATELY_S = 12 * 3600
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class BadModelName(TipstreamError):
    """A model's name must be 1 to 64 letters, digits, points, dashes or underscores: it stands in addresses."""


@dataclass(frozen=True, slots=True)
class Run:
    """A model's `name`, the log by its stream's creation and last sequence, and what else decides the result.

    `deleted` counts the events that erasing people took from the stream: a log without them is another log.
    """

    name: str
    stream: str
    upto_seq: int
    deleted: int
    seed: int
    segment: str
    young: bool
    code: str

    @property
    def key(self) -> str:
        """The folder of its results: equal for equal log, code and seed."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:KEY_LENGTH]


def begun(run: Run, results: Path) -> None:
    """Leave word of the run that has begun, in the place of the one before it."""
    results.mkdir(parents=True, exist_ok=True)
    (results / BEGUN).write_bytes(orjson.dumps(asdict(run)))


def unfinished(run: Run, results: Path) -> Run:
    """The run that began last, if it left its word behind, is alike but for the log's end, and its rows are there and
    no older than `LATELY_S` seconds; else `run`. A log that people use has grown by the time that a failure is mended.
    """
    with suppress(FileNotFoundError, orjson.JSONDecodeError):
        told = orjson.loads((results / BEGUN).read_bytes())
        before = replace(run, upto_seq=told["upto_seq"])
        # By its rows, since going on writes the word anew; and a log that had too little left none to go on with.
        made = (results / before.key / FEATURES).stat().st_mtime
        if asdict(before) == told and time.time() - made <= LATELY_S:
            return before
    return run


def check_name(name: str) -> None:
    """Raises BadModelName."""
    if not NAME.fullmatch(name):
        raise BadModelName(f"--name {name!r:.80} must be 1 to 64 letters, digits, points, dashes or underscores")


def code_version() -> str:
    """SHA-256 over the sources that a model depends on, so that it needs neither a release nor git."""
    found = hashlib.sha256()
    for package in (contracts, ml, projections):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            found.update(path.relative_to(root.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:KEY_LENGTH]
