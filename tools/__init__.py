"""Tools for the workstation: build, sign, test and try the updates of device/."""

import sys

# In words that every Python understands: all other modules are compiled after this line.
if sys.version_info < (3, 10):
    sys.exit("error: Python 3.10 or newer is needed, this is %d.%d: take a newer one" % sys.version_info[:2])
