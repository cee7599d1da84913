"""Tokens, keys and trusted networks: who is calling. Only this folder imports ``jwt``."""
