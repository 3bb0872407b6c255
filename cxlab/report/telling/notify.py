"""Tell an operator how a run ended: one JSON, to a command, to a webhook, or to both."""

from __future__ import annotations

import datetime as dt
import json
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, Field, SecretStr, model_validator

from cxlab.data.contract import VARIABLE, fill_in
from cxlab.errors import CxlabError, DataError
from cxlab.report import gates
from cxlab.report.parameters import STRICT, secret_in
from cxlab.report.telling import deliver
from cxlab.report.telling.headlines import headlines

if TYPE_CHECKING:
    from cxlab.report.render import Run
    from cxlab.report.telling.log import Log

__all__ = ["Notify", "say", "telling"]

Event = Literal["failed", "not publishable", "published"]
_MOST_FINDINGS = 3
_BEFORE_KILLED = 20.0  # seconds: who ends a run kills it a minute later
_TOKEN_NAMES = re.compile(r"(?i)token|key|secret|sig|auth|pass|pwd|code")
_TOKEN = re.compile(r"(?=[\w.~-]*\d)(?=[\w.~-]*[A-Za-z])[\w.~-]{20,}|[A-Za-z]{20,}")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_EXAMPLES = re.compile(r"[,(]?\s*such as .*?(?=; allowed|$)")
_RAISED = re.compile(r"([A-Za-z_]\w*):")


class Notify(BaseModel):
    """Who is told how a run ended, and of which ends."""

    model_config = STRICT

    on: list[Event] = Field(default=["failed", "not publishable"], min_length=1)
    command: list[str] | None = Field(default=None, min_length=1)
    webhook: SecretStr | None = None

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, given: Any) -> Any:
        """YAML reads a bare ``on`` as true."""
        if isinstance(given, dict) and True in given:
            return {("on" if key is True else key): value for key, value in given.items()}
        return given

    @model_validator(mode="after")
    def _can_be_told(self) -> Notify:
        # Of what is wrong with a field pydantic would show the value.
        if self.command is None and self.webhook is None:
            raise ValueError("needs a command or a webhook")
        for word in self.command or ():
            if kind := secret_in(word):
                raise ValueError(f"command holds {kind}; let it read its environment itself")
        if self.webhook is not None:
            _refuse_clear_text(self.webhook.get_secret_value())
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the environment variables that the webhook's address is made of."""
        text = self.webhook.get_secret_value() if self.webhook else ""
        return tuple(VARIABLE.findall(text))


def _refuse_clear_text(address: str) -> None:
    """Refuse an address with a secret in it: a spec is read by many, and kept in git."""
    text = VARIABLE.sub("", address)
    hint = "webhook holds {}; write it as ${{NAME}} of an environment variable"
    if kind := secret_in(text):
        raise ValueError(hint.format(kind))
    try:
        parts = urlsplit(text)
        pairs = parse_qsl(parts.query)
    except ValueError:
        raise ValueError("webhook is no address") from None
    if "@" in parts.netloc:
        raise ValueError(hint.format("a user's name"))
    named = [value for name, value in pairs if value and _TOKEN_NAMES.search(name)]
    pieces = [*parts.path.split("/"), *(value for _, value in pairs)]
    if named or any(_TOKEN.fullmatch(piece) for piece in pieces):
        raise ValueError(hint.format("what looks like a token"))
    if text == address and not _is_web(parts):
        raise ValueError("webhook has to begin with https:// or http://, or be ${NAME}")


def _is_web(parts: Any) -> bool:
    return parts.scheme in ("http", "https") and bool(parts.hostname)


@contextmanager
def telling(spec: Path, log: Log) -> Iterator[Callable[[Run], None]]:
    """Tell how a run ends: one that is published, and one that never gets there.

    Whether anybody could be told changes nothing about the run.

    Parameters
    ----------
    spec : pathlib.Path
        The report's spec.
    log : Log
        Where it is noted who was told.

    Yields
    ------
    callable
        To be given the run that was published.

    Raises
    ------
    DataError
        What the spec says of it cannot be: a variable that is not set, a command that is not
        there.
    """
    from cxlab.report.spec import read_spec

    read = read_spec(spec)
    if read.notify is None:
        yield lambda run: None
        return
    begun = dt.datetime.now(dt.UTC)
    about = _about(spec, read.title, begun)
    teller = _Teller(spec, read.notify, log)
    published: list[Run] = []

    def tell(run: Run) -> None:
        published.append(run)
        teller.send(_of_run(about, run))

    try:
        teller.prepare()
        yield tell
    except BaseException as error:
        ended = getattr(error, "number", None) == signal.SIGTERM  # as of timeout, or of systemd
        if not published and (ended or isinstance(error, Exception)):
            reason = "ended by SIGTERM" if ended else _guarded(error)
            teller.send(_of_error(about, begun, reason), hurried=ended)
        raise


class _Teller:
    """Sends notifications, as a spec asks.

    Parameters
    ----------
    spec : pathlib.Path
        The spec.
    notify : Notify
        What it says.
    log : Log
        Where each is noted.
    """

    def __init__(self, spec: Path, notify: Notify, log: Log) -> None:
        self._spec, self._notify, self._log = spec, notify, log
        self._folder = spec.absolute().parent
        self._address: SecretStr | None = None

    def prepare(self) -> None:
        """See that everybody who is to be told can be."""
        command, webhook = self._notify.command, self._notify.webhook
        if command and deliver.find_program(command[0], self._folder) is None:
            missing = f"{self._spec}: notify.command: there is no program {command[0]!r}"
            self._notify = self._notify.model_copy(update={"command": None})
            raise DataError(f"{missing}; allowed: one on the PATH, or a path from the spec")
        if webhook is None:
            return
        address = SecretStr(fill_in(self._spec, webhook.get_secret_value()).strip())
        if not _is_address(address.get_secret_value()):
            told = f"{self._spec}: notify.webhook is no address (not shown)"
            raise DataError(f"{told}; allowed: https://… or http://…")
        self._address = address

    def send(self, content: Mapping[str, Any], hurried: bool = False) -> None:
        """Send to everybody who wants to hear of this end."""
        if content["status"] not in self._notify.on:
            return
        text = json.dumps(content).encode()
        if command := self._notify.command:
            environment = {
                "CXLAB_STATUS": content["status"],
                "CXLAB_RUN": content["run_id"] or "",
                "CXLAB_REPORT": content["page"] or "",
            }
            seconds = _BEFORE_KILLED if hurried else None
            self._deliver(lambda: deliver.run(command, text, environment, self._folder, seconds))
        if address := self._address:
            agent = f"cxlab/{metadata.version('cxlab')}"
            waits = () if hurried else None
            self._deliver(lambda: deliver.post(address, text, agent, waits))

    def _deliver(self, way: Callable[[], None]) -> None:
        try:
            way()
        except deliver.Undelivered as error:
            say(f"{self._spec}: notify: {error}; the run stands as it is")
            self._log.step("notified", status="failed", error=str(error))
        else:
            self._log.step("notified", status="ok")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return _is_web(parts) and (parts.port or 1) > 0 and not re.search(r"[\s\x00-\x1f]", text)
    except ValueError:
        return False


def say(line: str) -> None:
    """Tell the operator something that changes nothing about the run."""
    with suppress(OSError, ValueError, AttributeError):  # nobody reads it, or it is closed
        sys.stderr.write(f"cxlab: {line}\n")
        sys.stderr.flush()


# -- what is told -----------------------------------------------------------------------------


def _about(spec: Path, title: str, begun: dt.datetime) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "status": "failed",
        "title": title,
        "spec": spec.name,
        "run_id": None,
        "as_of": None,
        "started": begun.isoformat(timespec="seconds"),
        "seconds": None,
        "reason": "",
        "page": None,
        "findings": [],
        "notebooks": {},
    }


def _of_run(about: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """Say how a run ended that was published."""
    manifest, good = run.manifest, run.status == "ok"
    notebooks = manifest.get("notebooks", {})
    found = headlines(run.path, _MOST_FINDINGS) if good else []
    return {
        **about,
        "status": "published" if good else run.status,
        **{name: manifest.get(name) for name in ("run_id", "as_of", "started", "seconds")},
        "reason": "" if good else _why(manifest) or _masked(run.reason),
        "page": str((run.path / "index.html").absolute()),
        "findings": found,
        "notebooks": dict(Counter(each["status"] for each in notebooks.values())),
    }


def _of_error(about: Mapping[str, Any], begun: dt.datetime, reason: str) -> dict[str, Any]:
    """Say why a run was not published at all."""
    seconds = (dt.datetime.now(dt.UTC) - begun).total_seconds()
    return {**about, "seconds": round(seconds, 1), "reason": reason}


def _why(manifest: Mapping[str, Any]) -> str:
    """Say which notebooks failed; of what a cell raised the kind alone, for it may quote data."""
    told = []
    for name, each in manifest.get("notebooks", {}).items():
        if error := each.get("error"):
            raised = _RAISED.match(error)
            told.append(f"{name} {each['status']} ({raised[1] if raised else error})")
    for each in manifest.get("segments", []):
        if each["reason"]:
            told.append(f"{each['where']} {each['status']}")
    if (pdf := manifest.get("pdf")) and pdf["error"]:
        told.append(pdf["error"])
    return "; ".join(told) or gates.unmet(manifest.get("gates", []))


def _guarded(error: BaseException) -> str:
    """Word what ended a run without anything out of the data."""
    return _masked(str(error)) if isinstance(error, CxlabError) else type(error).__name__


def _masked(text: str) -> str:
    return _QUOTED.sub("'…'", _EXAMPLES.sub("", text))
