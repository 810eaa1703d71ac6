"""The rational re-check; it imports the game and the result records, and no solver."""

from stackelberg.certify.check import NEAR_TIE, certify

__all__ = ["NEAR_TIE", "certify"]
