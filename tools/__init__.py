"""Tools for the workstation: build, sign, test and try the updates of device/."""
