"""A whole world in one process and in simulated time: Airtable, people, callers, and a connector that may be killed.

Everything that happens is decided by one seed, so that what was seen once can be seen again.
"""
