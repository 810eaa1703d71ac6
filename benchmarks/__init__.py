"""Measurements. The package never imports this folder."""
