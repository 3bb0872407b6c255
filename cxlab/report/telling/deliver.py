"""Hand a text to a program, or to an address on the web; what failed is worded without either."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import SecretStr

from cxlab.errors import CxlabError

__all__ = ["Undelivered", "find_program", "post", "run"]

_COMMAND_SECONDS = 60.0
_WEBHOOK_SECONDS = 10.0
_WAITS = (1.0, 4.0)  # seconds before the second and the third try
_REPEATED = (307, 308)  # redirects after which the same is to be sent again


class Undelivered(CxlabError):
    """Nobody took the text; says why."""


def find_program(name: str, folder: Path) -> str | None:
    """Find a program on the PATH or, if its name has a slash, from a folder; None for none."""
    return shutil.which(str(folder / name) if "/" in name else name)


def run(
    command: Sequence[str],
    text: bytes,
    environment: Mapping[str, str],
    folder: Path,
    seconds: float | None = None,
) -> None:
    """Run a program with a text as its input; no shell reads the words.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    text : bytes
        What it reads.
    environment : mapping of str to str
        What its environment has beside this process's own.
    folder : pathlib.Path
        Where it runs.
    seconds : float, optional
        After which it is ended, with all that it started (default: a minute).

    Raises
    ------
    Undelivered
        It did not start, did not end in time, or said that it failed.
    """
    seconds = _COMMAND_SECONDS if seconds is None else seconds
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # what cxlab says there is for programs
            env={**os.environ, **environment},
            cwd=folder,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its words cannot be passed on"
        raise Undelivered(f"the command does not start ({why})") from None
    try:
        process.communicate(text, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Undelivered(f"the command did not end within {seconds:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdin:
            process.stdin.close()
    if process.returncode:
        raise Undelivered(f"the command ended with exit code {process.returncode}")


def post(address: SecretStr, text: bytes, agent: str, waits: Sequence[float] | None = None) -> None:
    """Send JSON to an address, again after a while where that may help.

    Parameters
    ----------
    address : pydantic.SecretStr
        Where to; http or https.
    text : bytes
        What to send.
    agent : str
        Who sends it.
    waits : sequence of float, optional
        Seconds before each try after the first (default: of two more, growing).

    Raises
    ------
    Undelivered
        Nobody took it.
    """
    waits = _WAITS if waits is None else waits
    headers = {"Content-Type": "application/json", "User-Agent": agent}
    request = Request(address.get_secret_value(), data=text, headers=headers, method="POST")
    for wait in (*waits, None):
        told, passes = _in_time(lambda: _sent(request))
        if not told:
            return
        if not passes or wait is None:
            break
        time.sleep(wait)
    tries = f" ({1 + len(waits)} tries)" if passes and waits else ""
    raise Undelivered(f"the webhook {told}{tries}")


def _sent(request: Request) -> tuple[str, bool]:
    """Send, and say what went wrong, if anything, and whether it may pass."""
    try:
        build_opener(_SamePlace).open(request, timeout=_WEBHOOK_SECONDS).close()
    except HTTPError as error:
        error.close()
        moved = "a redirect to another place, which is not followed"
        why = f", {moved}" if 300 <= error.code < 400 else ""
        return f"answered {error.code}{why}", error.code >= 500
    except (OSError, HTTPException, ValueError) as error:
        return _worded(error), not isinstance(error, ValueError)
    return "", False


def _worded(error: Exception) -> str:
    """Say why there was no answer; the library's own words may hold the address."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return f"did not answer within {_WEBHOOK_SECONDS:g} s"
    if isinstance(cause, ssl.SSLError):
        return "has no certificate that is trusted"
    if isinstance(cause, OSError) and cause.strerror:
        return f"cannot be reached ({cause.strerror})"
    return f"cannot be reached ({type(cause).__name__})"


def _in_time(call: Callable[[], tuple[str, bool]]) -> tuple[str, bool]:
    """Bound a call by the clock: looking up a name has no limit of its own, nor has a drip."""
    found: list[tuple[str, bool]] = []
    thread = threading.Thread(target=lambda: found.append(call()), daemon=True)
    thread.start()
    thread.join(_WEBHOOK_SECONDS)
    return found[0] if found else (f"did not answer within {_WEBHOOK_SECONDS:g} s", True)


class _SamePlace(HTTPRedirectHandler):
    """Sends the same again where the same server says so; what was sent is for it alone."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str
    ) -> Request | None:
        """Give the request that follows a redirect; None: it is not followed."""
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if code not in _REPEATED or before[:2] != after[:2]:
            return None
        return Request(newurl, data=req.data, headers=dict(req.headers), method="POST")
