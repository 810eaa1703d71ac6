"""One file, one algorithm: each takes a game and proposes an equilibrium for ``certify`` to check."""
