import network


def mac():
    """Of the Wi-Fi station, in hex; old and new MicroPython name the interface differently."""
    kind = getattr(network, "STA_IF", None)
    if kind is None:
        kind = network.WLAN.IF_STA
    return network.WLAN(kind).config("mac").hex()
