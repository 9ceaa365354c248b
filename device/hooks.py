"""Questions to the application, which may fail: an exception counts as no."""

import sys


def always():
    return True


def call(hook):
    """What the application's hook says."""
    try:
        return hook()
    except Exception as error:
        sys.print_exception(error)
        return False
