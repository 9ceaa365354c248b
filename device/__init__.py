"""Secure over-the-air firmware updates for MicroPython boards: the device side."""
