"""From tables to analysis frames: person-periods, samples, exposures, adjustment."""
