"""Everything compiled. Only `fastsumo.simulate` and `fastsumo.loglik` call in here."""
