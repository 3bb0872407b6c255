"""What a page shows of a result: sentences, pictures and tables, in the order asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cxlab.plots.picture import Drawing, Picture, pictures
from cxlab.results import Plain, Result

__all__ = ["paged"]


def paged(
    result: Result, drawings: Mapping[str, Drawing], names: Sequence[str]
) -> list[Plain | Picture | Result]:
    """Give what a page shows, in the order asked for; nothing of what there is nothing of.

    Parameters
    ----------
    result : Result
        With parts.
    drawings : mapping of str to Drawing
        Its pictures.
    names : sequence of str
        ``words of PART`` gives a part's sentence; the name of a picture draws it; any other
        name gives the part's table.
    """
    made: list[Plain | Picture | Result] = []
    for name in names:
        part = result.parts.get(name.removeprefix("words of "))
        if name.startswith("words of "):
            made += [Plain(part.sentence)] if part is not None and part.sentence else []
        elif name in drawings:
            made += pictures(result, {name: drawings[name]})
        elif part is not None and len(part.table):
            made.append(part)
    return made
