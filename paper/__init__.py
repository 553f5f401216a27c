"""The apparatus of this book: published tables, claims and verdicts, protocols and records, chapters.

It stands on :mod:`xlgen`, which knows nothing of it.
"""
