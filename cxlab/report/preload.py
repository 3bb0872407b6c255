"""nbformat, imported without a second spent on nothing.

It checks notebooks with jsonschema, which takes that long to build a grammar of
internationalised addresses where it finds one. No notebook's schema has any.
"""

from __future__ import annotations

import sys

__all__ = ["nbformat"]

_GRAMMAR = "rfc3987_syntax"

sys.modules.setdefault(_GRAMMAR, None)  # type: ignore[arg-type]
import nbformat  # noqa: E402

if sys.modules[_GRAMMAR] is None:
    del sys.modules[_GRAMMAR]
