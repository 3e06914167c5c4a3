"""What `spacy-elmo embed` does: one file of vectors, or a folder with one for each input file."""
