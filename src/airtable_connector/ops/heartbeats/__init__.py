"""Cells watched by their heartbeats: how fast they beat, whether they fell silent, how loaded they were each hour."""
