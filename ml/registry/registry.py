"""The model registry: MLflow's REST API as we use it, for the process that trains and for the one that promotes.

MLflow's own client says the same over the same routes and needs seconds and 200 MB to import.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import numpy as np
import orjson
from pydantic import ValidationError

from contracts.errors import TipstreamError
from contracts.feature_sets import DIMENSIONS
from ml.evaluation.evidence import Array
from ml.registry.card import Card, markdown
from ml.registry.server import MOUNT

API = f"{MOUNT}/api/2.0"
MOST = 200
# What MLflow takes; over anything else it would say 400 or 500, as if it were in trouble.
_NAME, _NUMBER = re.compile(r"(?!\.{1,2}\Z)[^/:]+"), re.compile(r"[0-9]{1,9}")
ANSWER_S = 10.0
PRIOR, CARD, CARD_TEXT = "model/prior.json", "model/card.json", "model/card.md"
EXPERIMENT = "tipstream"
CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"


class RegistryAway(TipstreamError):
    """MLflow does not answer; it takes up to a minute to start, and `tipstream up` starts it again by itself."""


class NotRegistered(TipstreamError):
    """The registry has no such version, or it has none of the files that a version of ours has."""


def digest_of(a0: Array, b0: Array) -> str:
    """SHA-256 over A0's and b0's float64 bytes, little-endian, A0 row by row."""
    return hashlib.sha256(a0.astype("<f8").tobytes() + b0.astype("<f8").tobytes()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class StoredPrior:
    """A version's prior as an artifact: A0 (d, d), b0 (d,) and the digest that they had."""

    feature_set: str
    digest: str
    a0: Array
    b0: Array

    def holds(self, digest: str) -> bool:
        """Whether it is what it says it is, and what a card says too."""
        return digest == self.digest == digest_of(self.a0, self.b0)

    def told_of(self, model_version: str) -> dict[str, Any]:
        """The fields of an event that carries it as a version's."""
        numbers = {"a0": self.a0.tolist(), "b0": self.b0.tolist()}
        return {"model_version": model_version, "feature_set": self.feature_set, **numbers}

    def to_json(self) -> bytes:
        """JSON numbers read back to the same bits."""
        numbers = {"a0": self.a0.tolist(), "b0": self.b0.tolist()}
        return orjson.dumps({"feature_set": self.feature_set, "digest": self.digest, **numbers})

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Raises NotRegistered for what is no prior of a feature set that we know."""
        try:
            given = orjson.loads(data)
            a0, b0 = np.array(given["a0"], dtype=np.float64), np.array(given["b0"], dtype=np.float64)
            found = cls(str(given["feature_set"]), str(given["digest"]), a0, b0)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise NotRegistered(f"{PRIOR} cannot be read ({type(error).__name__})") from None
        d = DIMENSIONS.get(found.feature_set)
        if d is None or a0.shape != (d, d) or b0.shape != (d,):
            said = f"{PRIOR} is of feature set {found.feature_set:.80} and has shape {a0.shape}, {b0.shape}"
            raise NotRegistered(said)
        return found


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version; `id` is what a promotion calls it, `text` its description (the card in Markdown)."""

    name: str
    version: str
    aliases: list[str]
    text: str | None
    tags: dict[str, str]
    run_id: str | None
    source: str
    status: str
    created_ms: int

    @property
    def id(self) -> str:
        """`name/version`."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class Registry:
    """Calls MLflow through a client whose base is MLflow's address. All raise RegistryAway."""

    http: httpx.AsyncClient = field(repr=False)

    async def versions(self) -> list[Version]:
        """Every version, the latest first."""
        rows = (await self._get("model-versions/search", max_results=MOST, order_by="creation_timestamp DESC")).get(
            "model_versions", []
        )
        aliases: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name, version, alias in await self._aliases():
            aliases[name, version].append(alias)
        return [_version(row, sorted(aliases[row["name"], row["version"]])) for row in rows]

    async def version(self, identifier: str) -> Version:
        """One version by `name/version`. Raises NotRegistered."""
        name, _, number = identifier.rpartition("/")
        try:
            if not _NAME.fullmatch(name) or not _NUMBER.fullmatch(number):
                raise NotRegistered("a version is called name/number")
            row = (await self._get("model-versions/get", name=name, version=number))["model_version"]
        except NotRegistered:
            raise NotRegistered(f"no version {identifier!r:.200} is registered") from None
        return _version(row, row.get("aliases", []))

    async def bearing(self, alias: str) -> list[str]:
        """The ids of the versions that have an alias: of each model at most one."""
        return [f"{name}/{version}" for name, version, its in await self._aliases() if its == alias]

    async def tagged(self, name: str, key: str, value: str) -> Version | None:
        """The latest version of a model that has a tag; neither name nor tag may hold a quote."""
        given = f"name = '{name}' and tags.`{key}` = '{value}'"
        rows = (await self._get("model-versions/search", filter=given, order_by="version_number DESC")).get(
            "model_versions", []
        )
        return _version(rows[0], []) if rows else None

    async def prior(self, version: Version) -> StoredPrior:
        """A version's prior. Raises NotRegistered."""
        return StoredPrior.from_json(await self._artifact(version, PRIOR))

    async def card(self, version: Version) -> Card:
        """A version's card. Raises NotRegistered."""
        try:
            return Card.model_validate_json(await self._artifact(version, CARD))
        except ValidationError as error:
            said = f"{CARD} of {version.id} cannot be read: {error.error_count()} fields are wrong"
            raise NotRegistered(said) from None

    async def register(
        self,
        prior: StoredPrior,
        card: Card,
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
        taken: Container[str] = frozenset(),
    ) -> Version:
        """A run with its metrics and files, and a version made from it, both under the card's name; no id is taken."""
        name, text = card.name, markdown(card)
        pairs = [{"key": key, "value": value} for key, value in sorted(tags.items())]
        experiment = await self._experiment()
        run = (await self._post("runs/create", experiment_id=experiment, run_name=name, tags=pairs))["run"]["info"]
        numbers = [
            {"key": key, "value": value, "timestamp": run["start_time"], "step": 0}
            for key, value in sorted(metrics.items())
        ]
        await self._post("runs/log-batch", run_id=run["run_id"], metrics=numbers)
        files = {PRIOR: prior.to_json(), CARD: card.model_dump_json(indent=1).encode(), CARD_TEXT: text.encode()}
        for path, content in files.items():
            answer = await self._call("PUT", self._address(run["artifact_uri"], path), content=content)
            _checked(answer)
        await self._end(run, "FINISHED")
        try:
            await self._get("registered-models/get", name=name)
        except NotRegistered:
            await self._post("registered-models/create", name=name)
        body = {"name": name, "source": f"{run['artifact_uri']}/model", "run_id": run["run_id"], "description": text}
        while True:
            made = _version((await self._post("model-versions/create", **body, tags=pairs))["model_version"], [])
            if made.id not in taken:
                return made
            # MLflow counts on from the numbers of deleted ones.
            await self.remove(made)

    async def end_unfinished(self, key: str, value: str) -> None:
        """End the runs with a tag whose process died; the tag's value may not hold a quote."""
        given = f"tags.`{key}` = '{value}' and attributes.status = 'RUNNING'"
        found = await self._post("runs/search", experiment_ids=[await self._experiment()], filter=given)
        for run in found.get("runs", []):
            await self._end(run["info"], "KILLED")

    async def point(self, version: Version, alias: str) -> None:
        """Move an alias to a version."""
        await self._post("registered-models/alias", name=version.name, alias=alias, version=version.version)

    async def release(self, version: Version, alias: str) -> None:
        """Take an alias from the version that has it."""
        body = {"name": version.name, "alias": alias}
        _checked(await self._call("DELETE", f"{API}/mlflow/registered-models/alias", json=body))

    async def remove(self, version: Version) -> None:
        """Delete a version; MLflow gives its number to no other one while it has its store."""
        body = {"name": version.name, "version": version.version}
        _checked(await self._call("DELETE", f"{API}/mlflow/model-versions/delete", json=body))

    async def describe(self, version: Version, text: str) -> None:
        """Replace a version's description, where MLflow shows the card."""
        body = {"name": version.name, "version": version.version, "description": text}
        _checked(await self._call("PATCH", f"{API}/mlflow/model-versions/update", json=body))

    async def _end(self, run: Mapping[str, Any], status: str) -> None:
        await self._post("runs/update", run_id=run["run_id"], status=status, end_time=run["start_time"])

    async def _aliases(self) -> list[tuple[str, str, str]]:
        """Name, version and alias of whatever has one."""
        models = (await self._get("registered-models/search", max_results=MOST)).get("registered_models", [])
        return [(one["name"], its["version"], its["alias"]) for one in models for its in one.get("aliases", ())]

    async def _experiment(self) -> str:
        try:
            found = await self._get("experiments/get-by-name", experiment_name=EXPERIMENT)
        except NotRegistered:
            return str((await self._post("experiments/create", name=EXPERIMENT))["experiment_id"])
        return str(found["experiment"]["experiment_id"])

    async def _artifact(self, version: Version, path: str) -> bytes:
        run = (await self._get("runs/get", run_id=version.run_id or ""))["run"]["info"]
        answer = await self._call("GET", self._address(run["artifact_uri"], path))
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotRegistered(f"{version.id} has no {path}")
        return _checked(answer).content

    def _address(self, artifact_uri: str, path: str) -> str:
        return f"{API}/mlflow-artifacts/artifacts/{artifact_uri.partition(':')[2].strip('/')}/{path}"

    async def _get(self, what: str, **query: Any) -> dict[str, Any]:
        found: dict[str, Any] = _checked(await self._call("GET", f"{API}/mlflow/{what}", params=query)).json()
        return found

    async def _post(self, what: str, **body: Any) -> dict[str, Any]:
        found: dict[str, Any] = _checked(await self._call("POST", f"{API}/mlflow/{what}", json=body)).json()
        return found

    async def _call(self, method: str, path: str, **what: Any) -> httpx.Response:
        try:
            return await self.http.request(method, path, timeout=ANSWER_S, **what)
        except httpx.HTTPError as problem:
            said = f"MLflow does not answer ({type(problem).__name__}); it takes up to a minute to start"
            raise RegistryAway(said) from None


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.status_code == httpx.codes.NOT_FOUND or (
        answer.status_code == httpx.codes.BAD_REQUEST and "RESOURCE_DOES_NOT_EXIST" in answer.text
    ):
        raise NotRegistered("MLflow has no such thing")
    if answer.is_error:
        raise RegistryAway(f"MLflow answers {answer.status_code}: {answer.text[:200]}")
    return answer


def _version(row: Mapping[str, Any], aliases: list[str]) -> Version:
    return Version(
        name=row["name"],
        version=row["version"],
        aliases=aliases,
        text=row.get("description") or None,
        tags={tag["key"]: tag.get("value", "") for tag in row.get("tags", ())},
        run_id=row.get("run_id") or None,
        source=row.get("source", ""),
        status=row["status"],
        created_ms=row["creation_timestamp"],
    )
