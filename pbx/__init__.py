"""The PBX you program in Python: an office telephone exchange as a Twisted service."""

__version__ = "0.1.0"
