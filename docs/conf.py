"""The documentation site: Sphinx, MyST and Furo; nothing is loaded from elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import cxlab  # noqa: E402

project = "cxlab"
author = "the authors of cxlab"
version = release = cxlab.__version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "made"]
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
# MyST would mark up a docstring's math as it does Markdown's; autodoc reads reStructuredText.
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "none"  # numpydoc says what each parameter is
autodoc_member_order = "bysource"
highlight_language = "text"
smartquotes = False  # quotation marks are those that were typed

html_theme = "furo"
html_title = "cxlab"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_math_renderer = "mathml"
# No web fonts: those of the reader's machine.
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5394", "color-brand-content": "#0b5394"},
    "dark_css_variables": {"color-brand-primary": "#8ab8e8", "color-brand-content": "#8ab8e8"},
}

cxlab_run = os.environ.get("CXLAB_DOCS_RUN", "")
"""The demo run whose pictures are shown; without one the gallery says so."""
