"""The rule by which customers are given a persona, kept from run to run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cxlab.data.contract import read_yaml
from cxlab.errors import DataError
from cxlab.frames.behaviour import Behaviour, Feature, known_features
from cxlab.models.clusters import assign
from cxlab.models.traits import Scale

__all__ = ["FILE", "NONE", "SELDOM", "Persona", "Rule", "Trait", "read_rule"]

FILE = "personas.yml"
NONE, SELDOM = "none of these", "seldom seen"
"""Those far from every persona, and those with too few contacts to tell."""
UNLIKE, UNSEEN = -1, -2
"""Their labels."""
_HEAD = """\
# Which customer is of which persona: made by one run, used by the next ones.
# Names may be changed. Remove the file to have personas formed anew.
"""
_Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
# Their squares and ratios must be numbers still.
_Number = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
_Positive = Annotated[_Number, Field(ge=1e-12)]
_Count = Annotated[int, Field(ge=0, le=10**12)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Trait(_Strict):
    """A behaviour that personas differ in, and its scale."""

    behaviour: Annotated[str, Field(min_length=3, max_length=5000)]
    prior: _Number
    weight: Annotated[_Number, Field(ge=0)]
    logged: bool
    low: _Number
    high: _Number
    centre: _Number
    scale: _Positive

    @property
    def ruler(self) -> Scale:
        """The scale."""
        return Scale(self.prior, self.weight, self.logged, self.low, self.high, self.centre,
                     self.scale)  # fmt: skip


class Persona(_Strict):
    """A persona: its place on each scale, and how many were of it."""

    name: Annotated[str, Field(max_length=200)]
    customers: _Count
    stability: Annotated[_Number, Field(ge=0, le=1)]
    centre: list[_Number]

    @field_validator("name")
    @classmethod
    def _one_line(cls, name: str) -> str:
        """Refuse what is no name; people edit it, and it goes onto pages: mask personal data."""
        from cxlab.models.text.masking import mask

        if not re.search(r"\w", name) or re.search(r"[\x00-\x1f\x7f-\x9f]", name):
            raise ValueError(f"a name is one line with a letter or a digit, not {name!r}")
        return mask([name])[0]


class Rule(_Strict):
    """How customers are given a persona.

    Parameters
    ----------
    version : int
        Of the file's form.
    formed_from, formed_to : str
        The first and the last day of the window that it was made of.
    window_days, least_contacts : int
        Customers are seen over so many days, and told from so many contacts on.
    farthest : float
        Who is farther from each persona is of none.
    distance, distance_sd : float
        Of a customer to the own persona, when it was made: mean and standard deviation.
    unlike : int
        How many were of none when it was made.
    behaviours : list of Trait
        What personas differ in.
    personas : list of Persona
        The personas.
    """

    version: Annotated[int, Field(ge=1, le=1)]
    formed_from: _Day
    formed_to: _Day
    window_days: Annotated[int, Field(ge=1, le=3650)]
    least_contacts: Annotated[int, Field(ge=1, le=1000)]
    farthest: _Positive
    distance: _Positive
    distance_sd: Annotated[_Number, Field(ge=0)]
    unlike: _Count
    behaviours: Annotated[list[Trait], Field(min_length=2)]
    personas: Annotated[list[Persona], Field(min_length=2, max_length=20)]

    @model_validator(mode="after")
    def _fits(self) -> Rule:
        for persona in self.personas:
            if len(persona.centre) != len(self.behaviours):
                raise ValueError(
                    f"persona {persona.name!r} has {len(persona.centre)} numbers in its centre; "
                    f"allowed: {len(self.behaviours)}, one a behaviour"
                )
        names = [p.name for p in self.personas]
        if len(set(names)) < len(names) or {NONE, SELDOM} & set(names):
            raise ValueError(f"names of personas must differ, and none be {NONE!r} or {SELDOM!r}")
        keys = self.keys
        known = {f.key for f in known_features(keys)}
        if len(set(keys)) < len(keys) or set(keys) - known:
            raise ValueError("behaviours must differ, and each be one that is known")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """The behaviours."""
        return tuple(t.behaviour for t in self.behaviours)

    @property
    def names(self) -> tuple[str, ...]:
        """The personas' names."""
        return tuple(p.name for p in self.personas)

    @property
    def centres(self) -> np.ndarray:
        """The personas' places, one row each."""
        return np.array([p.centre for p in self.personas])

    @property
    def counts(self) -> np.ndarray:
        """How many were of each persona, and of none, when it was made."""
        return np.array([*(p.customers for p in self.personas), self.unlike])

    def matrix(self, seen: Behaviour) -> tuple[np.ndarray, list[str]]:
        """Put customers on the scales; where a behaviour is not there, in the middle.

        Parameters
        ----------
        seen : Behaviour
            What they did.

        Returns
        -------
        tuple of ndarray, shape (customers, behaviours), and list of str
            And the behaviours that are not there.
        """
        place = {f.key: j for j, f in enumerate(seen.features)}
        columns, missing = [], []
        for trait in self.behaviours:
            if trait.behaviour in place:
                j = place[trait.behaviour]
                columns.append(trait.ruler.of(seen.num[:, j], seen.den[:, j]))
            else:
                columns.append(np.zeros(len(seen)))
                missing.append(trait.behaviour)
        return np.column_stack(columns), missing

    def label(self, seen: Behaviour) -> tuple[np.ndarray, np.ndarray]:
        """Give each customer's persona, and how far it is.

        Parameters
        ----------
        seen : Behaviour
            What they did.

        Returns
        -------
        tuple of ndarray, shape (customers,)
            The persona's place (:data:`UNLIKE`: of none; :data:`UNSEEN`: seldom seen), and the
            distance, NaN of those seldom seen.
        """
        label, distance = assign(self.matrix(seen)[0], self.centres)
        label = np.where(distance > self.farthest, UNLIKE, label)
        few = seen.contacts < self.least_contacts
        return np.where(few, UNSEEN, label), np.where(few, np.nan, distance)

    def written(self) -> str:
        """Give the text of the file."""
        data = self.model_dump()
        return _HEAD + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)

    def features(self) -> list[Feature]:
        """Give the behaviours, with their words."""
        return known_features(self.keys)


def read_rule(state: str) -> Rule | None:
    """Read the rule that an earlier run kept; None where there is none.

    Parameters
    ----------
    state : str
        The folder; empty: none.

    Raises
    ------
    DataError
        The file is not what a run wrote; what is wrong is told.
    """
    if not state:
        return None
    path = Path(state) / FILE
    if not path.is_file():
        return None
    expected = "expected: what cxlab kept there; remove the file to have personas formed anew"
    try:
        return Rule.model_validate(read_yaml(path))
    except DataError as error:
        raise DataError(f"{error}; {expected}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(p) for p in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise DataError(f"{path}: {f'{where}: ' if where else ''}{said}; {expected}") from error
