# An image on trial is guarded from here on; for any other this is one look at the boot record.
"""What starts first. Frozen into a firmware (device/manifest.py) it comes before a file of this name."""

guard = None
try:
    from device import phases

    if phases.call("board", "can_return"):
        from device import guard
except Exception as error:  # a board that cannot boot cannot be updated
    import sys

    sys.print_exception(error)
if guard:
    guard.start()
