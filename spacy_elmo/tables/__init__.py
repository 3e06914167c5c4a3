"""Layers as Arrow tables, in memory and in files: a row for each token, a column for each layer."""
