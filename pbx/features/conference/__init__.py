"""Conferences: rooms in which many talk to each other. We are what SIP calls the focus, and the mixer besides."""
