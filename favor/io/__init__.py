"""Any store, any row file, atomic folders; knows neither video nor model."""
