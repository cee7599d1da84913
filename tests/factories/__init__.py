"""Things that many tests need, made with as few words as possible."""
