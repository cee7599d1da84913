"""Callers' writes on their way to Airtable: durable first, then sent in order, each of them once."""
