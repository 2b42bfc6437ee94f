"""Conferences: rooms in which many talk to each other (RFC 4353 calls us the focus and the mixer)."""
