"""Placeholder; re-exports follow."""
