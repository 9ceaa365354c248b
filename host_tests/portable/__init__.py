"""Tests that run unchanged on CPython, by pytest, and inside MicroPython, by run.py."""
