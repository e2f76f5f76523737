"""Everything compiled. Those outside who call in: `running`, `workers`, `giants`, `evaluate`, `levels`, `loglik`."""
