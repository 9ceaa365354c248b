"""What MicroPython's `gc` has and CPython's has not; here memory lies in no one heap."""


def collect():
    """Python does so when it likes; in a process full of tests it takes long, and phases ask for it often."""


def threshold(amount=-1):
    return -1
