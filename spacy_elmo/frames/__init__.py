"""Texts in, a pandas data frame out: a row a token, a sentence or a text, with its vectors."""
