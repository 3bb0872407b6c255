"""Spark: the engine for data that outgrow one machine."""
