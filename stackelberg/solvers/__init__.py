"""One file, one algorithm: each takes a game and proposes an equilibrium that :func:`stackelberg.certify` checks."""
