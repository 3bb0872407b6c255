"""The text that makes a machine render a report again and again: nothing is installed by it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cxlab.data.contract import VARIABLE
from cxlab.errors import DataError, UsageError, one_of
from cxlab.report.spec import Spec, read_spec

__all__ = ["FORMATS", "schedule"]

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_WHEN = re.compile(r"(?:(?P<day>[a-z]+|\d{1,2})\s+)?(?P<hour>\d{1,2}):(?P<minute>\d{2})")
_MOST_DAY = 28  # every month has it
_KILL_AFTER_SECONDS = 60
_SYSTEM = "/usr/local/bin:/usr/bin:/bin"
# In a container: where the volume is, what else may be written to, and the Containerfile's user.
_WORK, _HOME, _USER = "/work", "/home/cxlab", 1000
_LONGEST_JOB = 52  # characters of a CronJob's name: its jobs add eleven more
_LATE_SECONDS = 3600


@dataclass(frozen=True)
class _When:
    """A day of the week (0: Sunday), or of the month, or neither: every day; and a time."""

    hour: int
    minute: int
    weekday: int | None = None
    day: int | None = None

    @property
    def cron(self) -> str:
        day = "*" if self.day is None else str(self.day)
        weekday = "*" if self.weekday is None else str(self.weekday)
        return f"{self.minute} {self.hour} {day} * {weekday}"

    @property
    def calendar(self) -> str:
        """As systemd writes it."""
        weekday = "" if self.weekday is None else f"{_DAYS[self.weekday][:3].title()} "
        day = "*" if self.day is None else f"{self.day:02d}"
        return f"{weekday}*-*-{day} {self.hour:02d}:{self.minute:02d}:00"

    @property
    def words(self) -> str:
        every = "every day" if self.day is None else f"on day {self.day} of every month"
        if self.weekday is not None:
            every = f"every {_DAYS[self.weekday].title()}"
        return f"{every} at {self.hour:02d}:{self.minute:02d}"


@dataclass(frozen=True)
class _Report:
    """What is to be rendered, where all that a scheduler must be told is absolute."""

    path: Path
    spec: Spec
    program: Path
    when: _When
    limit_minutes: int
    variables: tuple[str, ...]

    @property
    def name(self) -> str:
        words = re.sub(r"[^A-Za-z0-9]+", "-", self.path.stem).strip("-").lower()
        return f"cxlab-{words or 'report'}"

    @property
    def search_path(self) -> str:
        return f"{self.program.parent}:{_SYSTEM}"

    @property
    def base(self) -> Path:
        """The folder that has all of it: the spec, what it writes, and its data."""
        data = os.path.normpath(self.path.parent / self.spec.dataset)
        return Path(os.path.commonpath([self.path.parent, data]))


def schedule(spec: Path, form: str, at: str = "monday 06:00", limit_minutes: int = 180) -> str:
    """Write what a scheduler is to be given, to render a report at regular times.

    Parameters
    ----------
    spec : pathlib.Path
        The report's spec; it has to be a good one.
    form : str
        One of :data:`FORMATS`.
    at : str
        When: ``06:00`` (daily), ``monday 06:00``, or ``1 06:00`` (a day of the month, 1 to 28).
    limit_minutes : int
        After which a run is ended, whatever it is doing.

    Returns
    -------
    str
        Text to install, comments that say how first.

    Raises
    ------
    UsageError
        For a format or a time that is none, a path that no scheduler can be told, of
        ``github``, a spec that is in no repository, or, of ``kubernetes``, one that has no
        folder in common with its data.
    DataError
        The spec cannot be read, or the command ``cxlab`` cannot be found.
    """
    if form not in FORMATS:
        raise UsageError(one_of("--format", form, FORMATS))
    if not 1 <= limit_minutes <= 1440:
        raise UsageError(f"--limit-minutes is {limit_minutes}; allowed: 1 to 1440")
    when, read = _read_when(at), read_spec(spec)
    path = spec.absolute()
    if any(c in str(path) for c in "\n\r\0"):
        raise UsageError(f"{str(path)!r}: no scheduler can be told a path with a line break")
    found = shutil.which("cxlab", path=str(Path(sys.executable).parent)) or shutil.which("cxlab")
    if found is None:
        raise DataError("the command cxlab is not on the PATH, nor beside Python: install cxlab")
    own = read.notify.variables if read.notify else ()
    variables = _variables(path.parent / read.dataset / "dataset.yml", own)
    told = _Report(path, read, Path(found).absolute(), when, limit_minutes, variables)
    return FORMATS[form](told)


def _read_when(at: str) -> _When:
    found = _WHEN.fullmatch(at.strip().lower())
    allowed = "allowed: 06:00 (daily), monday 06:00, or 1 06:00 (day of the month, 1 to 28)"
    if found is None:
        raise UsageError(f"--at is {at!r}; {allowed}")
    hour, minute, day = int(found["hour"]), int(found["minute"]), found["day"]
    if hour > 23 or minute > 59:
        raise UsageError(f"--at is {at!r}; {allowed}")
    if day is None:
        return _When(hour, minute)
    if day.isdigit() and 1 <= int(day) <= _MOST_DAY:
        return _When(hour, minute, day=int(day))
    named = [k for k, name in enumerate(_DAYS) if len(day) >= 3 and name.startswith(day)]
    if not named:
        raise UsageError(f"--at is {at!r}; {allowed}")
    return _When(hour, minute, weekday=named[0])


def _variables(settings: Path, own: tuple[str, ...]) -> tuple[str, ...]:
    """Name the variables that the dataset's settings and the spec read, secrets among them."""
    text = settings.read_text(encoding="utf-8") if settings.is_file() else ""
    return tuple(sorted({*VARIABLE.findall(text), *own}))


def _cron(report: _Report) -> str:
    """Give a line of a crontab.

    flock keeps a run from starting while the last one is not done; timeout ends one that hangs.
    cron itself knows no PATH of the user, and takes a bare % for the end of the line.
    """
    quote = shlex.quote
    log, lock = (report.path.with_suffix(s) for s in (".log", ".lock"))
    secrets = report.path.with_suffix(".env")
    command = (
        f"PATH={quote(report.search_path)} flock -n {quote(str(lock))} "
        f"timeout -k {_KILL_AFTER_SECONDS} {report.limit_minutes}m "
        f"{quote(str(report.program))} render {quote(str(report.path))} >> {quote(str(log))} 2>&1"
    )
    lines = [
        f"# {report.spec.title}".replace("\n", " "),
        f"# {report.when.words}, by this machine's clock. Add the last line with: crontab -e",
        f"# What it has to say: {log}",
    ]
    if report.variables:
        lines.append(
            f"# {secrets} has to set {', '.join(report.variables)} "
            "(NAME=value, a line each; chmod 600)."
        )
        command = f"set -a; . {quote(str(secrets))}; {command}"
    escaped = command.replace("%", r"\%")
    return "\n".join([*lines, f"{report.when.cron} {escaped}", ""])


def _systemd(report: _Report) -> str:
    """Give a service and a timer of systemd, of a user or of the machine."""
    quote = _systemd_quoted
    secrets = [f"EnvironmentFile={_systemd_path(report.path.with_suffix('.env'))}"]
    service = [
        f"# {report.name}.service: the first half of this text, up to the timer.",
        "# Put both into ~/.config/systemd/user/, then:",
        f"#   systemctl --user daemon-reload && systemctl --user enable --now {report.name}.timer",
        "[Unit]",
        f"Description={_systemd_path(report.spec.title)}",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={quote(str(report.program))} render {quote(str(report.path))}",
        f"Environment={quote(f'PATH={report.search_path}')}",
        *(secrets if report.variables else []),
        f"TimeoutStartSec={report.limit_minutes}min",
        f"TimeoutStopSec={_KILL_AFTER_SECONDS}",
        "Nice=10",
        "",
    ]
    timer = [
        f"# {report.name}.timer: {report.when.words}, by this machine's clock;",
        "# a run that was missed while the machine was off is made up for.",
        "[Unit]",
        f"Description={_systemd_path(report.spec.title)}: {report.when.words}",
        "[Timer]",
        f"OnCalendar={report.when.calendar}",
        "Persistent=true",
        "[Install]",
        "WantedBy=timers.target",
        "",
    ]
    return "\n".join([*service, *timer])


def _systemd_path(text: object) -> str:
    """Write a text to the letter; systemd takes % for the start of a name of its own."""
    return re.sub(r"\s+", " ", str(text)).replace("%", "%%")


def _systemd_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _github(report: _Report) -> str:
    """Give a workflow; it keeps the runs, with what they hand on, in the cache."""
    import yaml

    tops = [p for p in report.path.parents if (p / ".git").exists()]
    if not tops:
        raise UsageError(f"{report.path} is in no git repository, which github needs")
    spec = report.path.relative_to(tops[0]).as_posix()
    out = spec.rpartition(".")[0]
    kept = {"path": out, "key": f"{report.name}-${{{{ github.run_id }}}}"}
    secrets = {name: f"${{{{ secrets.{name} }}}}" for name in report.variables}
    render = {"name": "Render", "run": f".venv/bin/cxlab render {shlex.quote(spec)}"}
    steps = [
        {"uses": "actions/checkout@v4"},
        {"uses": "actions/setup-python@v5", "with": {"python-version": "3.12"}},
        {"name": "Set up", "run": "make setup"},
        {
            "name": "What the last runs handed on",
            "uses": "actions/cache@v4",
            "with": {**kept, "restore-keys": f"{report.name}-"},
        },
        {**render, **({"env": secrets} if secrets else {})},
        {
            "uses": "actions/upload-artifact@v4",
            "if": "always()",
            "with": {"name": report.name, "path": out},
        },
    ]
    job = {"runs-on": "ubuntu-latest", "timeout-minutes": report.limit_minutes, "steps": steps}
    workflow = {
        "name": report.spec.title,
        "on": {"schedule": [{"cron": report.when.cron}], "workflow_dispatch": {}},
        "permissions": {"contents": "read"},
        "concurrency": {"group": report.name, "cancel-in-progress": False},
        "jobs": {"report": job},
    }
    head = (
        f"# .github/workflows/{report.name}.yml: {report.when.words}, UTC. The repository has to\n"
        "# hold cxlab itself, as a clone of it does.\n"
    )
    return head + yaml.safe_dump(workflow, sort_keys=False, allow_unicode=True, width=100)


def _kubernetes(report: _Report) -> str:
    """Give a CronJob; runs and what they hand on lie on a volume, beside the data."""
    import yaml

    base = report.base
    if base == Path(base.anchor):
        raise UsageError(
            f"{report.path}: kubernetes needs one folder that has the spec and its data "
            f"({report.path.parent / report.spec.dataset}), to be put on a volume"
        )
    name = report.name[:_LONGEST_JOB].rstrip("-")
    secrets = [
        {"name": v, "valueFrom": {"secretKeyRef": {"name": name, "key": v}}}
        for v in report.variables
    ]
    # Kernels, engines and Chromium write what they need for themselves to the home alone.
    own = [{"name": "HOME", "value": _HOME}, {"name": "TMPDIR", "value": _HOME}]
    container = {
        "name": "report",
        "image": f"cxlab:{version('cxlab')}",
        "args": ["render", report.path.relative_to(base).as_posix(), "--log", "-"],
        "workingDir": _WORK,
        "env": [*own, *secrets],
        "resources": {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"memory": "8Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "work", "mountPath": _WORK},
            {"name": "home", "mountPath": _HOME},
        ],
    }
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _KILL_AFTER_SECONDS,
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": _USER, "fsGroup": _USER},
        "containers": [container],
        "volumes": [
            {"name": "work", "persistentVolumeClaim": {"claimName": name}},
            {"name": "home", "emptyDir": {}},
        ],
    }
    job = {
        "backoffLimit": 0,  # what failed once fails again; a dead kernel is retried within a run
        "activeDeadlineSeconds": 60 * report.limit_minutes,
        "template": {"spec": pod},
    }
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": report.when.cron,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": _LATE_SECONDS,
            "jobTemplate": {"spec": job},
        },
    }
    head = [
        f"# {report.when.words}, UTC. kubectl apply -f this file, once there are:",
        "# - the image, made with cxlab's Containerfile and put where the cluster finds it;",
        f"# - a volume claim {name}, with what is in {base};",
    ]
    if secrets:
        head.append(f"# - a secret {name}, with {', '.join(report.variables)}.")
    return "\n".join([*head, yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True)])


def _airflow(report: _Report) -> str:
    """Give a DAG of Airflow: a run is begun, made part by part, and published."""
    from jinja2 import Environment

    from cxlab.report.markup import shared

    # The text is Python, where every value stands as repr() writes it.
    template = Environment(keep_trailing_newline=True, trim_blocks=True)
    return template.from_string(shared("airflow.py.j2")).render(
        name=repr(report.name),
        title=repr(report.spec.title),
        program=repr(str(report.program)),
        spec=repr(str(report.path)),
        path=repr(report.search_path),
        cron=repr(report.when.cron),
        minutes=report.limit_minutes,
        parts=_lists(report),
        words=report.when.words,
        variables=report.variables,
    )


def _lists(report: _Report) -> list[str]:
    """Name the lists of parts, each of which is made after the one before."""
    from cxlab.report.registry import read_registry
    from cxlab.report.spec import levels_of

    if report.spec.each is not None:
        return ["segments"]
    registry = read_registry()
    found = levels_of(registry, report.spec.notebooks or list(registry.notebooks))
    return [f"notebooks_{k}" for k in range(1, len(found) + 1)]


FORMATS: dict[str, Callable[[_Report], str]] = {
    "cron": _cron,
    "systemd": _systemd,
    "github": _github,
    "kubernetes": _kubernetes,
    "airflow": _airflow,
}
"""What can be written, by name."""
