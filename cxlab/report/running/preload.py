"""nbformat, imported without a second spent on nothing, and ready to check notebooks.

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

# What checks a notebook, built once for every process that is forked with it.
for _relaxed in (False, True):
    nbformat.validator.get_validator(nbformat.current_nbformat, relax_add_props=_relaxed)
