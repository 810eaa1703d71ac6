"""Logs of evaluations become counts: one file per format, one `read_observations` that recognises them."""

from estimators.readers.read import read_observations

__all__ = ["read_observations"]
