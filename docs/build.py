"""Build the documentation site, with the pictures of a demo run: ``make docs``.

A run of the same code is used if there is one, else the demo is rendered.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from cxlab.report.resume import code_sha256

HERE = Path(__file__).resolve().parent
ROOT, BUILT = HERE.parent, HERE / "_build"
_PLACES = (ROOT / "reports" / "demo" / "latest", BUILT / "demo" / "latest")


def same_code(run: Path) -> bool:
    """Tell whether a run is there and was made by the code as it is."""
    try:
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return manifest.get("status") == "ok" and manifest.get("code_sha256") == code_sha256()


def demo_run() -> Path:
    """Give a demo run of this code; it is rendered if there is none."""
    found = next((place for place in _PLACES if same_code(place)), None)
    if found is None:
        said("Rendering the demo, for its pictures")
        spec, out = ROOT / "reports" / "demo.yml", BUILT / "demo"
        run = "from cxlab.cli import main; main()"
        command = [sys.executable, "-c", run, "render", str(spec), "--quick", "--out", str(out)]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        found = _PLACES[1]
    return found.resolve()


def site(out: Path, run: Path | None) -> int:
    """Build the site; a warning is an error.

    Parameters
    ----------
    out : pathlib.Path
        The folder of the pages.
    run : pathlib.Path or None
        Whose pictures are shown.

    Returns
    -------
    int
        Sphinx's exit code: 0 where all is well.
    """
    from sphinx.cmd.build import build_main

    told = ["-D", f"cxlab_run={run}"] if run else []
    doctrees = ["-d", str(out.parent / "doctrees")]
    return int(build_main(["-q", "-W", "--keep-going", *doctrees, *told, str(HERE), str(out)]))


def said(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(run: Path | None, *, pictures: bool) -> int:
    """Build, and say what was made."""
    try:
        import furo  # noqa: F401
    except ImportError:
        sys.stderr.write("make docs needs the extra docs: pip install 'cxlab[docs]'\n")
        return 2
    try:
        taken = (run.resolve() if run else demo_run()) if pictures else None
    except subprocess.CalledProcessError:
        sys.stderr.write("the demo could not be rendered; see above\n")
        return 1
    out = BUILT / "html"
    if code := site(out, taken):
        return code
    shown = len([*(out / "gallery").glob("*.svg")]) if taken else 0
    said(f"{len([*out.rglob('*.html')])} pages and {shown} pictures")
    said(str(out / "index.html"))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="the folder of a run whose pictures to show")
    parser.add_argument("--no-pictures", action="store_true", help="render nothing")
    asked = parser.parse_args()
    sys.exit(main(asked.run, pictures=not asked.no_pictures))
