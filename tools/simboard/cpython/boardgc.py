"""What MicroPython's `gc` has and CPython's has not; here memory lies in no one heap."""

from gc import collect  # noqa: F401


def threshold(amount=-1):
    return -1
