"""Simulated networks, phones and time, for tests of dialplans and of the exchange itself. The SIP stack in them is the
real one: only clock and sockets are simulated.
"""
