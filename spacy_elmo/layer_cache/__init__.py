"""Layer outputs of a training set on disk, so that training runs a frozen biLM in the first epoch only."""
