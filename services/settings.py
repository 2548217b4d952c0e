"""What an operator may set: the `TIPSTREAM_*` environment variables, their defaults, the paths under HOME."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.errors import TipstreamError

PREFIX = "TIPSTREAM_"
CONFIDENTIAL = frozenset({"admin_password", "api_key", "nats_url"})


class SettingsError(TipstreamError):
    """A `TIPSTREAM_*` variable holds a value that cannot work; the message names it and says what would."""


def _absolute(path: Path) -> Path:
    path = path.expanduser().absolute()
    try:
        str(path).encode()
        found = path.exists()
    except (UnicodeEncodeError, OSError) as problem:
        raise ValueError(f"is no path that can be used ({problem}); name a directory") from None
    if found and not path.is_dir():
        raise ValueError("is a file; name a directory, which is created when absent")
    return path


def nodes(urls: str) -> list[str]:
    """The addresses of a cluster, which stand with commas between; a password may hold a comma too."""
    return [url.strip() for url in re.split(r",(?=\s*[a-z]+://)", urls)]


def _reachable(urls: str) -> str:
    found = nodes(urls)
    for parts in map(urlsplit, found):
        if parts.scheme not in {"nats", "tls", "ws", "wss"} or not parts.hostname or not _has_port(parts):
            raise ValueError(
                "is no NATS address; write one as nats://host:4222, those of a cluster with commas between"
            )
    return ",".join(found)


def _has_port(parts: SplitResult) -> bool:
    """Whether the port, if there is one, is a port: the standard library says so only when asked for it."""
    try:
        return parts.port != 0
    except ValueError:
        return False


def _web(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not _has_port(parts):
        raise ValueError("is no web address; write one as http://host:8001")
    return url.rstrip("/")


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("takes printable ASCII characters and no blank; unset it to have one made")
    return value


Port = Annotated[int, Field(ge=1, le=65535)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]


class Settings(BaseSettings):
    """All settings, read from the environment once and then fixed. Raises `SettingsError`.

    An empty variable counts as unset. Keyword arguments win over the environment (tests use them).
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    home: Annotated[Path, AfterValidator(_absolute)] = Field(Path(".tipstream"), validate_default=True)
    host: str = "127.0.0.1"
    port: Port = 8000
    scorer_port: Port = 8001
    mlflow_port: Port = 8002
    nats_port: Port = 4222
    quack_port: Port = 9494
    admin_password: Secret | None = None
    api_key: Secret | None = None
    fsync: Literal["always", "interval"] = "always"
    nats_url: Annotated[str, AfterValidator(_reachable)] | None = Field(None, repr=False)
    scorer_url: Annotated[str, AfterValidator(_web)] | None = None
    mlflow: Literal["on", "off"] = "on"
    demo: Literal["on", "off"] = "off"
    shadow_decisions: Annotated[int, Field(ge=0)] = 1000
    shadow_days: Annotated[int, Field(ge=0)] = 7
    shadow_defer_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    guard_reward: Annotated[float, Field(ge=0, le=2)] = 0.0
    guard_negative: Annotated[float, Field(ge=0, le=1)] = 0.02
    guard_errors: Annotated[float, Field(ge=0, le=1)] = 0.05
    mlflow_url: Annotated[str, AfterValidator(_web)] | None = None
    api_url: Annotated[str, AfterValidator(_web)] | None = None

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as problem:
            raise SettingsError(_explain(problem)) from None

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        seen: dict[int, str] = {}
        for name in ("port", "scorer_port", "mlflow_port", "nats_port", "quack_port"):
            if name == "nats_port" and self.nats_url is not None:
                continue
            number = getattr(self, name)
            if number in seen:
                both = f"{PREFIX}{seen[number].upper()} and {PREFIX}{name.upper()}"
                raise ValueError(f"{both} are both {number}; give each a port of its own")
            seen[number] = name
        return self

    @property
    def embedded(self) -> bool:
        """Whether `tipstream up` starts a NATS server of its own."""
        return self.nats_url is None

    @property
    def bus_url(self) -> str:
        """Where the stream is: the cluster that was named, else the embedded server."""
        return self.nats_url or f"nats://127.0.0.1:{self.nats_port}"

    @property
    def scorer_base(self) -> str:
        """Where the scorer answers, without a trailing slash."""
        return self.scorer_url or f"http://127.0.0.1:{self.scorer_port}"

    @property
    def api_base(self) -> str:
        """Where the API answers, without a trailing slash."""
        return self.api_url or f"http://127.0.0.1:{self.port}"

    @property
    def mlflow_base(self) -> str:
        """Where MLflow answers, without its prefix and a trailing slash."""
        return self.mlflow_url or f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def nats_dir(self) -> Path:
        """The embedded server's store."""
        return self.home / "nats"

    @property
    def read_models_dir(self) -> Path:
        """Rows and fold states; may be deleted and folded again."""
        return self.home / "read_models"

    @property
    def secrets_dir(self) -> Path:
        """Generated passwords and API keys (0600)."""
        return self.home / "secrets"

    @property
    def keys_dir(self) -> Path:
        """Signing keys (0600)."""
        return self.home / "keys"

    @property
    def outbox_dir(self) -> Path:
        """Events that the stream has not acknowledged yet; not to be deleted."""
        return self.home / "outbox"

    @property
    def mlflow_dir(self) -> Path:
        """MLflow's database and artifacts."""
        return self.home / "mlflow"

    @property
    def pipelines_dir(self) -> Path:
        """Results of training runs and Prefect's database; may be deleted."""
        return self.home / "pipelines"

    @property
    def results_dir(self) -> Path:
        """Results of training runs, a folder a run; erasing a person removes them."""
        return self.pipelines_dir / "results"

    @property
    def logs_dir(self) -> Path:
        """One log file a process."""
        return self.home / "logs"

    @property
    def run_dir(self) -> Path:
        """Process ids and other traces of the running system."""
        return self.home / "run"

    @property
    def restoring_dir(self) -> Path:
        """What `tipstream restore` works in; gone when it has ended."""
        return self.home / "restoring"

    @property
    def restoring_mark(self) -> Path:
        """Is there from before a restore changes anything until all is in place."""
        return self.restoring_dir / "INCOMPLETE"

    def make_home(self) -> None:
        """Create HOME and its folders, readable by their owner only. Raises `SettingsError`."""
        if self.restoring_mark.exists():
            raise SettingsError(
                f"{PREFIX}HOME: a `tipstream restore` into {self.home} runs or did not end; run it (again) to its end, "
                f"or move {self.home} away to begin without"
            )
        folders = (
            self.home,
            self.nats_dir,
            self.read_models_dir,
            self.secrets_dir,
            self.keys_dir,
            self.outbox_dir,
            self.mlflow_dir,
            self.pipelines_dir,
            self.logs_dir,
            self.run_dir,
        )
        for folder in folders:
            make_folder(folder)


def make_folder(folder: Path) -> None:
    """Create HOME or a folder of it, readable by its owner only. Raises `SettingsError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        reason = problem.strerror or problem
        raise SettingsError(
            f"{PREFIX}HOME: {folder} cannot be created ({reason}); name a directory you may write to"
        ) from problem
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(
            f"{PREFIX}HOME: {folder} cannot be written to (no permission, or a read-only file system); "
            "name a directory you may write to"
        )


def _explain(problem: ValidationError) -> str:
    """One line a variable, the variable first; a value that may be secret is not repeated."""
    lines = []
    for error in problem.errors(include_url=False, include_context=False):
        if not error["loc"]:
            lines.append(error["msg"].removeprefix("Value error, "))
            continue
        name = str(error["loc"][0])
        value = "" if name in CONFIDENTIAL else f" {str(error['input'])!r}"
        if name.endswith("port"):
            said = "is no port; give a whole number from 1 to 65535"
        else:
            said = error["msg"].removeprefix("Value error, ").replace("Input should be", "is not")
        lines.append(f"{PREFIX}{name.upper()}:{value} {said}")
    return "\n".join(lines)
