"""From notebooks to a published report: registry, spec, render, findings, publish."""
