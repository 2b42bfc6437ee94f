"""Benchmarks: they print figures and what the machine is, and assert nothing about time."""

from __future__ import annotations
