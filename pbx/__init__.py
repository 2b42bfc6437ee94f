"""The PBX you program in Python: an office telephone exchange as a Twisted service."""

from __future__ import annotations

__version__ = "0.1.0"
