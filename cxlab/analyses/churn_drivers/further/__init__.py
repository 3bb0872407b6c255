"""Beyond single touchpoints: what lies between contacts, segments, scores."""
