"""Cuts power, links and flash at every moment of an update, and counts what did not survive."""
