"""Rules that need several answers at once, one module per subject; ``validation`` runs them all."""
