"""Making Airtable the truth: the base here is kept like the one there, and what callers write here is sent there.

Each package has a face of its own; nothing is loaded before it is used.
"""
