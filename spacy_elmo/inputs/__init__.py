"""The reader of all commands: text and tokens from files, folders, patterns and standard input."""
