"""Equations as MathML, which browsers draw by themselves: no script, nothing to load."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

__all__ = ["mathml", "setup"]

# What the METHODS use and the translator does not know.
_SPELT = {"½": r"\frac{1}{2}", r"\tfrac": r"\frac", r"\big/": "/", r"\textstyle": ""}


def mathml(tex: str, *, block: bool = False) -> str:
    r"""Translate an equation.

    Parameters
    ----------
    tex : str
        LaTeX, such as ``e^{\beta_k}``.
    block : bool
        Whether it stands by itself.
    """
    for written, known in _SPELT.items():
        tex = tex.replace(written, known)
    return str(latex2mathml.tex2mathml(tex, as_block=block))


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(f"<div>{mathml(node.astext(), block=True)}</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Offer the renderer to Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
