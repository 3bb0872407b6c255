"""An operator is told how a run ended, nobody else is, and the run stands whatever comes of it."""

from __future__ import annotations

import http.server
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from toy import load_toy, write_spec

from cxlab.errors import DataError
from cxlab.report.render import Run, render
from cxlab.report.schedule import schedule
from cxlab.report.spec import read_spec
from cxlab.report.telling import deliver
from cxlab.report.telling.log import Log
from cxlab.report.telling.notify import telling

SECRET = "s3cr3tPathThatNobodyMaySee42"
CUSTOMER = "C0123"


@dataclass
class Server:
    """What it was sent, and what it is to answer: codes in turn, the last for ever."""

    address: str = ""
    answers: list[int] = field(default_factory=lambda: [200])
    location: str = ""
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A webhook on loopback; its address is in CX_WEBHOOK."""
    made = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append((self.path, json.loads(body)))
            self.send_response(made.answers.pop(0) if made.answers[1:] else made.answers[0])
            if made.location:
                self.send_header("Location", made.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *told: object) -> None:
            """Say nothing."""

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    made.address = f"http://127.0.0.1:{listening.server_port}/{SECRET}"
    monkeypatch.setenv("CX_WEBHOOK", made.address)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(deliver, "_WAITS", (0.01, 0.02))
    yield made
    listening.shutdown()
    listening.server_close()


WEBHOOK = {"webhook": "${CX_WEBHOOK}", "on": ["failed", "not publishable", "published"]}


def tell(spec: Path, run: Run) -> None:
    with Log(spec, spec.with_suffix(".log")) as log, telling(spec, log) as told:
        told(run)


def failed(good: Run) -> Run:
    """The run with a notebook in which a cell raised what quotes a customer."""
    notebooks = {k: dict(n) for k, n in good.manifest["notebooks"].items()}
    error = f"KeyError: '{CUSTOMER}' said (cell 3)"
    notebooks["drivers"] |= {"status": "failed", "error": error}
    return replace(
        good, status="failed", manifest=good.manifest | {"notebooks": notebooks, "pdf": None}
    )


def test_a_good_run(good: Run, tmp_path: Path, server: Server) -> None:
    tell(write_spec(tmp_path, notify=WEBHOOK), good)
    [(path, told)] = server.got
    assert path == f"/{SECRET}"
    findings = told.pop("findings")
    assert told == {
        "schema_version": 1,
        "status": "published",
        "title": "Toy <report>",
        "spec": "toy.yml",
        "run_id": good.manifest["run_id"],
        "as_of": "2026-06-30",
        "started": good.manifest["started"],
        "seconds": good.manifest["seconds"],
        "reason": "",
        "page": str(good.path / "index.html"),
        "notebooks": {"ok": 2, "skipped": 1},
    }
    assert len(findings) == 3
    assert findings[0].startswith("A billing call that goes wrong")


def test_a_failed_run_tells_no_data(good: Run, tmp_path: Path, server: Server) -> None:
    tell(write_spec(tmp_path, notify={"webhook": "${CX_WEBHOOK}"}), failed(good))
    [(_, told)] = server.got
    assert (told["status"], told["findings"]) == ("failed", [])
    assert told["reason"] == "drivers failed (KeyError)"
    assert CUSTOMER not in json.dumps(told)


def test_a_gate_that_did_not_hold(good: Run, tmp_path: Path, server: Server) -> None:
    gates = [{"name": "rows", "passed": False, "text": "3 rows; asked for: 9"}]
    unfit = replace(good, status="not publishable", manifest=good.manifest | {"gates": gates})
    tell(write_spec(tmp_path, notify={"webhook": "${CX_WEBHOOK}"}), unfit)
    [(_, told)] = server.got
    assert (told["status"], told["reason"]) == ("not publishable", "3 rows; asked for: 9")


def test_by_default_a_good_run_is_not_told(good: Run, tmp_path: Path, server: Server) -> None:
    tell(write_spec(tmp_path, notify={"webhook": "${CX_WEBHOOK}"}), good)
    tell(write_spec(tmp_path), failed(good))
    assert server.got == []


def test_a_bare_on_is_a_word(tmp_path: Path) -> None:
    """YAML's own rules make it true."""
    spec = write_spec(tmp_path)
    spec.write_text(f"{spec.read_text()}notify: {{on: [published], command: [cat]}}\n")
    notify = read_spec(spec).notify
    assert notify and notify.on == ["published"]


# -- a run that never starts ------------------------------------------------------------------


def refuse(*given: object, **named: object) -> Any:
    raise DataError(
        f"customers.csv: the key is not unique, such as {CUSTOMER} or 'O\\'Hara'; allowed: one each"
    )


def test_data_that_are_refused(tmp_path: Path, server: Server) -> None:
    (tmp_path / "data").mkdir()
    spec = write_spec(tmp_path, notify={"webhook": "${CX_WEBHOOK}"})
    with pytest.raises(DataError, match=CUSTOMER):
        render(spec, load=refuse)
    [(_, told)] = server.got
    assert told["reason"] == "customers.csv: the key is not unique; allowed: one each"
    assert (told["status"], told["run_id"], told["page"]) == ("failed", None, None)


def test_what_is_ended_from_outside(good: Run, tmp_path: Path, server: Server) -> None:
    """As by timeout; who presses Ctrl-C knows."""

    class Ended(BaseException):
        number = 15

    spec = write_spec(tmp_path, notify={"webhook": "${CX_WEBHOOK}"})
    for error in (KeyboardInterrupt(), Ended()):
        with pytest.raises(type(error)), Log(spec) as log, telling(spec, log):
            raise error
    with pytest.raises(Ended), Log(spec) as log, telling(spec, log) as tell:
        tell(good)  # it is published, and stands
        raise Ended
    assert [told["reason"] for _, told in server.got] == ["ended by SIGTERM"]


def test_a_variable_that_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs; who can be told is."""
    monkeypatch.delenv("CX_WEBHOOK", raising=False)
    told = tmp_path / "told.json"
    command = [
        sys.executable,
        "-c",
        f"import sys; open({str(told)!r}, 'w').write(sys.stdin.read())",
    ]
    spec = write_spec(tmp_path, notify={"webhook": "${CX_WEBHOOK}", "command": command})
    with pytest.raises(DataError, match="the environment variable CX_WEBHOOK is not set"):
        render(spec, load=load_toy)
    assert json.loads(told.read_text())["reason"].endswith("variable CX_WEBHOOK is not set")
    assert not (tmp_path / "toy").exists()


@pytest.mark.parametrize("name", ["no-such-program", "./mail-it"])
def test_a_command_that_is_not_there(tmp_path: Path, name: str) -> None:
    spec = write_spec(tmp_path, notify={"command": [name]})
    with pytest.raises(DataError, match=f"notify.command: there is no program '{name}'"):
        render(spec, load=load_toy)


# -- commands ---------------------------------------------------------------------------------


def script(folder: Path, *lines: str) -> str:
    path = folder / "mail it"
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return "./mail it"


def test_a_command_reads_it(good: Run, tmp_path: Path) -> None:
    """Its words are taken as they are, from the spec's folder."""
    given = '"$CXLAB_STATUS|$CXLAB_RUN|$CXLAB_REPORT|$1|$(pwd)"'
    mail = script(tmp_path, "cat > told.json", f"printf %s {given} > given.txt")
    spec = write_spec(tmp_path, notify={"command": [mail, "$HOME; `id` $(id)"]})
    tell(spec, failed(good))
    assert json.loads((tmp_path / "told.json").read_text())["status"] == "failed"
    page = good.path / "index.html"
    expected = ["failed", good.manifest["run_id"], str(page), "$HOME; `id` $(id)", str(tmp_path)]
    assert (tmp_path / "given.txt").read_text().split("|") == expected


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["exit 3"], "the command ended with exit code 3"),
        (["(sleep .6; touch late) & wait"], "the command did not end within 0.3 s"),
    ],
)
def test_a_command_that_fails_changes_nothing(
    good: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lines: list[str],
    told: str,
) -> None:
    monkeypatch.setattr(deliver, "_COMMAND_SECONDS", 0.3)
    spec = write_spec(tmp_path, notify={"command": [script(tmp_path, *lines)]})
    tell(spec, failed(good))
    assert capsys.readouterr().err == f"cxlab: {spec}: notify: {told}; the run stands as it is\n"
    time.sleep(0.5 if "wait" in lines[0] else 0)
    assert not (tmp_path / "late").exists()  # what it had started is gone as well
    noted = json.loads(spec.with_suffix(".log").read_text())
    assert (noted["step"], noted["status"], noted["error"]) == ("notified", "failed", told)


# -- webhooks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "tries", "told"),
    [
        ([500, 503, 200], 3, ""),
        ([500], 3, "the webhook answered 500 (3 tries)"),
        ([404], 1, "the webhook answered 404"),
    ],
)
def test_what_may_pass_is_tried_again(
    good: Run,
    tmp_path: Path,
    server: Server,
    capsys: pytest.CaptureFixture[str],
    answers: list[int],
    tries: int,
    told: str,
) -> None:
    server.answers = answers
    tell(write_spec(tmp_path, notify=WEBHOOK), good)
    said = capsys.readouterr().err
    assert len(server.got) == tries
    assert (f"notify: {told}; the run stands" in said) if told else said == ""


def test_a_redirect_to_another_place_is_not_followed(server: Server) -> None:
    server.answers, server.location = [307], server.address.replace("127.0.0.1", "localhost")
    with pytest.raises(deliver.Undelivered, match="answered 307, a redirect to another place"):
        deliver.post(SecretStr(server.address), b"{}", "cxlab")
    assert len(server.got) == 1
    server.answers, server.location = [307, 200], "/moved"
    deliver.post(SecretStr(server.address), b'{"a": 1}', "cxlab")
    assert server.got[-1] == ("/moved", {"a": 1})


def test_a_server_that_does_not_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "_WEBHOOK_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(deliver.Undelivered, match=r"did not answer within 0\.1 s \(3 tries\)"):
            deliver.post(SecretStr(address), b"{}", "cxlab")
    with pytest.raises(deliver.Undelivered, match=r"cannot be reached \(Connection refused\)"):
        deliver.post(SecretStr(address), b"{}", "cxlab")


def test_the_address_is_in_no_file_and_no_message(
    good: Run, tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = [500]
    spec = write_spec(tmp_path, notify=WEBHOOK)
    tell(spec, good)
    host = server.address.split("/")[2]
    texts = [capsys.readouterr().err, json.dumps(server.got[0][1]), repr(read_spec(spec))]
    texts += [p.read_text() for p in tmp_path.rglob("*") if p.is_file()]
    for text in texts:
        assert SECRET not in text and host not in text


def test_the_schedule_names_the_variable(tmp_path: Path, server: Server) -> None:
    text = schedule(write_spec(tmp_path, notify=WEBHOOK), "cron")
    assert "has to set CX_WEBHOOK" in text and SECRET not in text


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ({}, "notify: needs a command or a webhook"),
        ({"webhook": "https://me:pw@host/x"}, "webhook holds an address with a password"),
        ({"webhook": "https://me@host/x"}, "webhook holds a user's name"),
        ({"webhook": "https://host/x?token=abc"}, "webhook holds"),
        ({"webhook": "https://host/x?sig=abc"}, "webhook holds what looks like a token"),
        ({"webhook": f"https://host/hooks/{SECRET}"}, "webhook holds what looks like a token"),
        ({"webhook": f"https://host/hooks/{'abCD' * 6}"}, "holds what looks like a token"),
        ({"webhook": f"host.example/{SECRET}"}, "webhook holds what looks like a token"),
        ({"webhook": "ftp://host/x"}, "webhook has to begin with https:// or http://"),
        ({"command": ["mail", "--password=abc"]}, "command holds a password"),
        ({"command": []}, "notify.command"),
        ({"command": "mail-it --to team"}, "notify.command"),
        ({"command": ["true"], "on": ["ok"]}, "allowed: failed, not publishable, published"),
        ({"command": ["true"], "hook": "x"}, "unknown key notify.hook; allowed: on, command"),
    ],
)
def test_what_a_spec_may_not_say(tmp_path: Path, notify: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError) as error:
        read_spec(write_spec(tmp_path, notify=notify))
    assert told in str(error.value)
    assert "abc" not in str(error.value) and SECRET not in str(error.value)


@pytest.mark.parametrize("value", ["", "host/path", "file:///etc/passwd", "http://h/a b"])
def test_what_the_variable_may_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CX_WEBHOOK", value)
    with pytest.raises(DataError) as error:
        render(write_spec(tmp_path, notify={"webhook": "${CX_WEBHOOK}"}), load=load_toy)
    assert str(error.value).endswith(
        "notify.webhook is no address (not shown); allowed: https://… or http://…"
    )
