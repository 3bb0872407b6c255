"""What keys and columns mean, in words; the build fails where the code has others."""

from __future__ import annotations

from pydantic import BaseModel

from cxlab.analyses.churn_drivers import COLUMNS as DRIVERS
from cxlab.analyses.churn_risk.scored import COLUMNS as RISK
from cxlab.data.contract import Settings
from cxlab.models.verdicts import VERDICTS
from cxlab.report.spec import Spec

__all__ = ["COLUMNS", "FINDING", "KEYS", "MODELS"]

MODELS: dict[str, type[BaseModel]] = {"dataset": Settings, "spec": Spec}

KEYS: dict[str, dict[str, str]] = {
    "dataset": {
        "name": "What reports call the dataset; by default the folder's name.",
        "columns": "By table: the contract's column, and the name it has in your file.",
        "stages": "The stages of the journey in their order. `exit` is never a driver.",
        "metrics": "Scores besides `nps`, `csat` and `ces`: each with `scale: [lowest, highest]`, "
        "`direction` (`higher_is_better` or `lower_is_better`) and `layer` (`functional`, "
        "`emotional` or `sensory`).",
        "currency": "Of `monthly_value`, such as `EUR`.",
        "time_zone": "Of times without a zone of their own.",
        "tenure_unit": "Of a snapshot's `tenure`.",
        "observed_from": "The feed's first day. By default the day by which one in a thousand of "
        "the contacts had occurred.",
        "observed_until": "The end of what the feed covers; times past it are set aside.",
        "churn": "What counts as leaving: the end of a contract, or silence, by the next key.",
        "churn.inactivity.days": "A customer without a contact for so many days has left.",
        "bad.wait_over_seconds": "A first response slower than this is bad once the limit passes.",
        "bad.unresolved_after_days": "A contact not resolved after so many days is bad from then.",
        "acquisition_cost": "What winning one customer costs.",
        "source.path": "A folder of files or a DuckDB file, if the tables are not beside "
        "`dataset.yml`.",
        "source.url": "A PostgreSQL: `postgresql://…`, or `${NAME}` of a variable that holds it.",
        "source.schema": "Of a database: the schema of the tables.",
        "source.snapshot": "Of a URL: a snapshot that was taken, or `latest`.",
        "engine": "What does the work: `duckdb` or `spark`.",
        "spark_master": "Where Spark does it, such as `spark://host:7077`; by default this "
        "machine. The variable `CXLAB_SPARK_MASTER` comes before it.",
        "incremental": "Whether each file of a folder of contacts or answers is read once and kept "
        "in `.cache/partitions`, so that later runs read new files alone.",
    },
    "spec": {
        "title": "The report's title.",
        "dataset": "The dataset's folder, relative to the spec.",
        "notebooks": "Which notebooks, in this order; by default all that the data allow.",
        "parameters": "By name, for all notebooks that know it; or by notebook, then by name.",
        "as_of": "The last day seen: a date, `today`, `last-complete-month` or "
        "`last-complete-week`. By default the data's end.",
        "each": "A report for each value of a column: `{plan: all}` or `{plan: [pro, basic]}`.",
        "gates.min_customers": "Customers there must be.",
        "gates.min_churners": "Customers that must have left of their own will.",
        "gates.max_age_days": "By table: days between its newest row and `as_of`.",
        "gates.max_set_aside": "Share of a table's rows that may be set aside.",
        "gates.min_rows": "Share of the rows of the last good run that there must be.",
        "gates.same_columns": "Whether no column may have come or gone since the last good run.",
        "gates.checks": "Checks of the pages that must have passed.",
        "limits.retries": "How often a notebook is run again whose kernel died.",
        "limits.run_minutes": "How long the whole run may take.",
        "publish.keep_runs": "How many runs are kept; by default all.",
        "publish.formats": "`[html]`, or `[html, pdf]`.",
        "publish.include_customers": "Whether customers are named, as in `risk.csv`.",
        "publish.include_quotes": "Whether customers' words are shown, masked.",
        "notify.on": "Of which ends somebody is told.",
        "notify.command": "A program and its words, which gets a JSON on its input.",
        "notify.webhook": "An address that is sent the same JSON; write `${NAME}` for a secret.",
    },
}

COLUMNS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "drivers.csv": (
        DRIVERS,
        {
            "rank": "Order of what matters: drivers first, by customers lost.",
            "touchpoint": "Its name; of a snapshot, the attribute and its level.",
            "valence": "`bad` (against ordinary contacts), `good`, `contact` (as such), or "
            "`attribute` of a snapshot.",
            "hazard_ratio": "By how much a fresh contact of the kind multiplies the hazard of "
            "leaving.",
            "conf_low": "Lower end of its 95% interval.",
            "conf_high": "Upper end of its 95% interval.",
            "p_value": "Two-sided, for no effect.",
            "q_value": "The same, corrected for all that were tested.",
            "exposed_customers": "Customers who had such a contact.",
            "exposures": "Such contacts.",
            "attributable_churn": "Customers lost in the window who would have stayed, had each "
            "bad contact been ordinary.",
            "attributable_churn_low": "Lower end of its 95% interval.",
            "attributable_churn_high": "Upper end of its 95% interval.",
            "attributable_share": "The same as a share of those who left in the window.",
            "value_at_risk": "What these customers paid a month.",
            "value_at_risk_low": "Lower end of its 95% interval.",
            "value_at_risk_high": "Upper end of its 95% interval.",
            "top3_probability": "How often it is among the first three when customers are drawn "
            "anew; empty in a quick run.",
            "verdict": f"One of {', '.join(f'`{v}`' for v in VERDICTS)}.",
            "why": "The reason, in a sentence.",
        },
    ),
    "risk.csv": (
        RISK,
        {
            "rank": "Order of risk.",
            "probability": "Of leaving within the horizon (90 days unless told otherwise).",
            "conf_low": "Lower end of its 95% interval.",
            "conf_high": "Upper end of its 95% interval.",
            "reasons": "Up to three facts that raise this customer's odds most.",
            "value_at_stake": "Probability times what the customer pays a month; only where "
            "`monthly_value` is known.",
        },
    ),
}

FINDING: dict[str, str] = {
    "id": "The same from run to run, such as `drivers.invoice.bad`.",
    "notebook": "The notebook that found it.",
    "statement": "A sentence; every figure in it is computed.",
    "estimate": "The figure; empty where the statement has none.",
    "conf_low": "Lower end of its 95% interval.",
    "conf_high": "Upper end of its 95% interval.",
    "unit": "The figure's unit, such as `customers`.",
    "n": "Customers it rests on.",
    "verdict": "A verdict as in `drivers.csv`, or `information`.",
}
