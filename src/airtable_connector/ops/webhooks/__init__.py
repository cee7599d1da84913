"""Airtable's webhooks: what changed in the base, told in payloads that are read by number, and in notifications."""
