"""Text and tokens from files, folders, patterns and standard input: the one reader of all commands."""
