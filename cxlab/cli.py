"""The command line: exit 0 when done, 1 for content that will not do, 2 when called wrongly."""

from __future__ import annotations

import atexit
import datetime as dt
import gc
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from cxlab.errors import AnalysisError, CxlabError, UsageError, masked, one_of

__all__ = ["app", "main"]

_INTERRUPTED = 130
_ENGINE_INTERRUPTED = ("Query interrupted", "INTERRUPT Error")

app = typer.Typer(
    name="cxlab",
    help="Which touchpoints drive churn, how sure are we, what is it worth?",
    add_completion=False,
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

DatasetArgument = Annotated[Path, typer.Argument(help="Folder of a dataset.", metavar="DATASET")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="Last day seen, such as 2026-06-30.")
]
Quick = Annotated[bool, typer.Option("--quick", help="Leave out sweeps (the effect by age).")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of every random draw.")]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory the engine takes before its work spills to disk, such as 4GB (default: 60% "
        "of the machine's, or of the container's).",
    ),
]


@contextmanager
def _loading() -> Iterator[None]:
    """Look for no garbage while libraries are loaded: they make many objects, and all stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # nor among them afterwards
        gc.enable()


def _day(text: str | None) -> dt.date | None:
    from cxlab.data.contract import read_day

    return None if text is None else read_day(text, "--as-of")


def _say(text: str) -> None:
    typer.echo(text)


def _tell_version(asked: bool) -> None:
    if asked:
        _say(f"cxlab {sys.modules['cxlab'].__version__}")  # this module is part of it
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    """Take the options common to all commands; ``--debug`` is read by :func:`main`."""
    if debug:
        os.environ["CXLAB_SPARK_LOG"] = "1"  # of data/spark/session, which is loaded when needed


@app.command()
def check(
    dataset: DatasetArgument,
    as_of: AsOf = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Hold a dataset against the data contract; show the rows set aside and gaps in the feed."""
    from cxlab.analyses.data_quality import feed_gaps, notes
    from cxlab.data.check import contract_report, contract_text
    from cxlab.data.dataset import load

    loaded = load(dataset, _day(as_of))
    report, gaps, known = contract_report(loaded), feed_gaps(loaded), notes(loaded)
    if not json_:
        _say("\n\n".join([contract_text(report), *known, *([gaps.sentence] if gaps else [])]))
        return
    table = gaps.table.rename(columns=lambda c: c.replace(" ", "_")) if gaps else None
    report["gaps"] = None if table is None else table.to_dict("records")
    report["notes"] = known
    _say(json.dumps(report, indent=2, ensure_ascii=False))


@app.command()
def new(
    directory: Annotated[Path, typer.Argument(help="Folder to write, or notebook.", metavar="DIR")],
    more: Annotated[
        list[str] | None,
        typer.Argument(help="More files, after --from; or the question.", metavar="[FILE]..."),
    ] = None,
    from_: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Your files, or a folder of them.", metavar="FILE"),
    ] = None,
    notebooks: Annotated[
        Path | None, typer.Option(help="Of a new notebook: the folder.", metavar="FOLDER")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of a new notebook: its file's name, without a number.")
    ] = None,
) -> None:
    """Write a starter for your own data: the mapping proposed, a report's spec.

    cxlab new notebook "What do late invoices do?" writes a notebook of your own instead.
    """
    if more and not from_:
        if directory != Path("notebook"):
            raise UsageError(
                f"{more[0]}: files are given with --from, as in: cxlab new DIR --from FILE"
            )
        from cxlab.lab.new.notebook import create_notebook

        _say(create_notebook(" ".join(more), notebooks, name).summary())
        return
    if notebooks or name:
        raise UsageError(
            "--notebooks and --name are of a notebook, as in: cxlab new notebook QUESTION"
        )
    from cxlab.lab.new import create

    _say(create(directory, [*(from_ or ()), *map(Path, more or ())]).summary())


@app.command()
def simulate(
    directory: Annotated[Path, typer.Argument(help="Folder to write.", metavar="DIR")],
    customers: Annotated[int | None, typer.Option(help="Number of customers.")] = None,
    world: Annotated[str, typer.Option(help="Which world (METHODS.md lists them).")] = "demo",
    seed: Seed = 0,
) -> None:
    """Write a simulated dataset whose truth is known (truth.json)."""
    from cxlab.data import simulate as simulator

    simulation = simulator.simulate(world, customers, seed)
    simulator.write(simulation, directory)
    rows = ", ".join(f"{len(t):,} {n}" for n, t in simulation.tables.items())
    _say(f"Wrote {directory}: {rows}. The truth is in {directory / 'truth.json'}")


@app.command()
def drivers(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="Folder for drivers.csv.", metavar="DIR")],
    as_of: AsOf = None,
    engine: Annotated[
        str | None,
        typer.Option(help="duckdb or spark (default: what dataset.yml says, else duckdb)."),
    ] = None,
    sample: Annotated[
        str, typer.Option(help="auto, full, or base rows a churn.", metavar="auto|full|N")
    ] = "auto",
    washout_days: Annotated[
        int, typer.Option(help="Days before a period whose contacts are left out.")
    ] = 3,
    half_life_days: Annotated[
        str, typer.Option(help="Half-life of an effect, or auto.", metavar="N|auto")
    ] = "auto",
    memory_limit: MemoryLimit = None,
    quick: Quick = False,
    seed: Seed = 0,
) -> None:
    """Write the driver table, drivers.csv, without notebooks."""
    with _loading():
        from cxlab.analyses import churn_drivers
        from cxlab.data.contract import ENGINES
        from cxlab.data.dataset import load
        from cxlab.report.findings import write_drivers

    if engine not in (None, *ENGINES):
        raise UsageError(one_of("--engine", engine, ENGINES))
    options = churn_drivers.Options(
        washout_days=washout_days,
        half_life_days=_half_life(half_life_days),
        sample=sample,
        seed=seed,
        quick=quick,
    )
    file = out / "drivers.csv"
    with _writing(out):
        _probe(file)
    loaded = load(dataset, _day(as_of), memory_limit=memory_limit, engine=engine)
    result = churn_drivers.run(loaded, **vars(options))
    if result.table.empty:
        raise AnalysisError(f"{dataset}: table customers: {result.sentence}")
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)
        write_drivers(result.table, file)
    _say(result.summary())
    _say(f"Wrote {file}")


def _half_life(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"--half-life-days is {text!r}; allowed: auto, or 1 to 365") from error


def _probe(file: Path) -> None:
    """Fail where a file cannot be written, before anything is computed; leave nothing behind."""
    above = (p for p in (file.parent, *file.absolute().parents) if os.path.lexists(p))
    with tempfile.TemporaryFile(dir=next(above)):
        pass
    if file.is_dir():
        raise IsADirectoryError(0, f"{file.name} is a folder")


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Take a folder that cannot be written for a wrong call."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"--out is {str(out)!r}; allowed: a folder that can be written ({error.strerror})"
        ) from error


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=0, max=65535)] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
) -> None:
    """Open JupyterLab on the notebooks' questions; further options are JupyterLab's own."""
    from cxlab.lab.lab import command

    started = command(port=port, browser=browser, more=context.args)
    os.execv(started[0], started)


@app.command(name="list")
def list_() -> None:
    """List the notebooks, their questions and parameters."""
    from cxlab.report.registry import describe

    _say(describe())


@app.command()
def render(
    spec: Annotated[Path, typer.Argument(help="A report's YAML.", metavar="SPEC")],
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="DATE",
            help="Last day seen, such as 2026-06-30, or today, last-complete-month or "
            "last-complete-week (of the data).",
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Render this notebook alone; may be repeated.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Notebooks run at once.")] = 2,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", metavar="NAME=VALUE", help="Set a parameter; may be repeated."),
    ] = None,
    quick: Quick = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the runs.", metavar="DIR")] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory each notebook's engine takes before its work spills to disk (default: "
            "60% of the machine's, shared among --jobs).",
        ),
    ] = None,
    again: Annotated[
        str | None,
        typer.Option(
            "--again", metavar="RUN", help="Repeat a run as it was: latest, its id, or its folder."
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Go on with a run that failed or was killed: newest, its id, or its folder.",
        ),
    ] = None,
    limit_minutes: Annotated[
        float | None,
        typer.Option(metavar="N", help="End the run after N minutes (default: what SPEC says)."),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Add a line of JSON a step to FILE; - for stderr."),
    ] = None,
    begin: Annotated[
        bool,
        typer.Option("--begin", help="Begin a run, and print as JSON which parts it has."),
    ] = False,
    part: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Make this part alone of the run that --resume names."),
    ] = None,
) -> None:
    """Render a report: notebooks to pages, findings, tables, pictures and a front page."""
    from cxlab.report.running.warm import warm_up

    others: dict[str, object] = {"--again": again, "--resume": resume, "--part": part}
    others |= {"--memory-limit": memory_limit, "--limit-minutes": limit_minutes}
    _refuse_together("--begin begins a run", begin, others)
    asked = {"--as-of": as_of, "--only": only, "-p": parameter, "--quick": quick}
    asked["--again"] = again
    _refuse_together("--part is made as its run was begun", part, asked)
    warm_up()  # while what follows is imported
    if begin:
        from cxlab.report.parts import begin as begin_run

        begun = begin_run(
            spec,
            as_of=as_of,
            only=tuple(only or ()),
            parameters=tuple(parameter or ()),
            quick=quick,
            out=out,
            log=log,
        )
        _say(json.dumps({"run": begun.run_id, "parts": begun.parts}))
        return
    if part is not None:
        from cxlab.report.parts import make_part

        if resume is None:
            raise UsageError("--part is of a run that was begun; name it with --resume")
        made = make_part(
            spec,
            resume,
            part,
            jobs=jobs,
            out=out,
            memory_limit=memory_limit,
            limit_minutes=limit_minutes,
            log=log,
        )
        _say(made)
        return
    from cxlab.report.render import render as build

    run = build(
        spec,
        as_of=as_of,
        only=tuple(only or ()),
        jobs=jobs,
        parameters=tuple(parameter or ()),
        quick=quick,
        out=out,
        again=again,
        resume=resume,
        memory_limit=memory_limit,
        limit_minutes=limit_minutes,
        log=log,
    )
    if run.clock:
        typer.echo(f"cxlab: {run.clock}; this run is {run.path.name} all the same", err=True)
    if repeated := run.manifest["again"]:
        earlier = run.manifest["again_of"]
        if told := "; ".join(repeated["other_code"]):
            typer.echo(f"cxlab: not the code of {earlier}: {told}", err=True)
        _say(f"{earlier} again: {repeated['answers']}")
    if run.status != "ok":
        how = "failed" if run.status == "failed" else "is not to be published"
        raise CxlabError(f"{spec}: the report {how}: {run.reason}; see {run.path / 'index.html'}")
    _say(f"Open {run.path / 'index.html'}")


def _refuse_together(told: str, asked: object, others: Mapping[str, object]) -> None:
    """Refuse an option beside those that it leaves no room for."""
    if asked and (clash := [name for name, given in others.items() if given]):
        raise UsageError(f"{told}; leave out {', '.join(clash)}")


@app.command()
def schedule(
    spec: Annotated[Path, typer.Argument(help="A report's YAML.", metavar="SPEC")],
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="NAME", help="cron, systemd, github, kubernetes or airflow."
        ),
    ],
    at: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="06:00 (daily), monday 06:00, or 1 06:00 (of the month)."
        ),
    ] = "monday 06:00",
    limit_minutes: Annotated[int, typer.Option(help="After which a run is ended.")] = 180,
) -> None:
    """Print the text that makes a machine render a report at regular times."""
    from cxlab.report.schedule import schedule as write

    typer.echo(write(spec, form, at, limit_minutes), nl=False)


@app.command()
def status(
    spec: Annotated[
        list[Path] | None, typer.Argument(help="Reports' YAML (default: all in reports/).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the runs.", metavar="DIR")] = None,
    max_age_days: Annotated[
        float | None, typer.Option(min=0, help="A newest run that is older is not good.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON a report.")] = False,
    html: Annotated[
        bool, typer.Option("--html", help="Write index.html beside the specs as well.")
    ] = False,
) -> None:
    """Tell how the last runs ended; exit 1 where the newest is not a good one."""
    from cxlab.report import status as report

    if out is not None and len(spec or ()) != 1:
        raise UsageError("--out is for one SPEC")
    specs = report.specs(spec or ())
    found = [report.standing(p, out, max_age_days=max_age_days) for p in specs]
    _say("\n".join(report.told(each, as_json) for each in found))
    if html:
        from cxlab.report.telling.index import list_reports

        for folder in dict.fromkeys(p.parent for p in specs):
            list_reports(folder)
    if not all(each.good for each in found):
        raise typer.Exit(1)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    Parameters
    ----------
    arguments : list of str, optional
        What to run (default: the program's own arguments).

    Raises
    ------
    SystemExit
        Always: 0, 1, 2, or 130 on Ctrl-C.
    """
    try:
        with _signals_unwind():
            _run(sys.argv[1:] if arguments is None else arguments)
    except SystemExit as end:
        if arguments is None:
            _leave(end)
        raise


def _leave(end: SystemExit) -> None:
    """End the process at once: to take its objects apart first costs a third of a second."""
    atexit._run_exitfuncs()
    with suppress(OSError):  # a reader that went away is told of by the usual end
        for stream in filter(None, (sys.stdout, sys.stderr)):  # closed from outside: None
            stream.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)


def _run(given: list[str]) -> None:
    try:
        code = app(args=given or ["--help"], prog_name="cxlab", standalone_mode=False)
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except TyperException as error:
        _fail(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:
        if any(sign in str(error) for sign in _ENGINE_INTERRUPTED):
            _fail("interrupted", _INTERRUPTED)
        text, code = _told(error)
        if "--debug" not in given:
            _fail(text, code)
        sys.stderr.write(masked(traceback.format_exc()))
        sys.exit(code)
    if code == _INTERRUPTED:  # typer takes Ctrl-C for itself and gives this back
        _fail("interrupted", _INTERRUPTED)
    sys.exit(code or 0)


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """Let SIGTERM and SIGHUP clean up as Ctrl-C does before they take effect."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []

    def end(number: int, frame: types.FrameType | None) -> None:
        for each in ours:
            signal.signal(each, signal.SIG_IGN)
        caught.append(number)
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    ours = [n for n in numbers if signal.getsignal(n) is signal.SIG_DFL]  # nohup stays nohup
    for number in ours:
        signal.signal(number, end)
    try:
        with _signals_reach_the_engine():
            yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
        if caught:
            if engine := sys.modules.get("cxlab.data.engine"):
                engine.remove_spill()  # nothing else runs after the next line
            signal.raise_signal(caught[0])


@contextmanager
def _signals_reach_the_engine() -> Iterator[None]:
    """Interrupt a query when a signal comes: Python's own handlers wait for it to end."""
    heard, told = socket.socketpair()
    told.setblocking(False)
    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        while number := heard.recv(1):
            engine = sys.modules.get("cxlab.data.engine")
            if engine and number[0] in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                engine.interrupt()

    listener = threading.Thread(target=listen, name="cxlab-signals", daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        told.close()
        listener.join()
        heard.close()


def _told(error: Exception) -> tuple[str, int]:
    """Word an error, and give the code to exit with."""
    if "duckdb" in sys.modules:
        from cxlab.data.engine import engine_error

        error = engine_error(error, "the dataset's tables")
    if isinstance(error, CxlabError):
        return str(error), error.exit_code
    return f"{type(error).__name__}: {error} (cxlab --debug … shows where)", 1


def _fail(text: str, code: int) -> None:
    line = masked(" ".join(text.split()))
    typer.echo(f"cxlab: {line}", err=True)
    sys.exit(code)
