"""The agent on a heap like an ESP32's: beside its first area is one memory for MicroPython, TLS and Wi-Fi.

usage: room IDF_BYTES TAKEN WIFI [ROMFS_FILE]. IDF_BYTES: that memory. TAKEN: bytes of the first area that a
real port has filled before any program runs. WIFI: "first", Wi-Fi takes its part before the package is
imported; "late", when the package asks for it; "apart", it has had it already. ROMFS_FILE: with the package.
"""

import sys

import esp32
import idfheap
import network

_WIFI = (1600,) * 25  # bytes: nearly all of it is buffers for packets


def _switch_on():
    for size in _WIFI:
        if not idfheap.take(size):
            raise RuntimeError("Wifi Unknown Error 0x0101")  # as the port says ESP_ERR_NO_MEM


def _wlan(interface):
    _switch_on()
    return make_wlan(interface)


idfheap.begin(int(sys.argv[1]))
esp32.HEAP_DATA, esp32.idf_heap_info = 4, idfheap.info
taken = bytearray(int(sys.argv[2]))
if sys.argv[3] == "first":
    _switch_on()
elif sys.argv[3] == "late":
    make_wlan, network.WLAN = network.WLAN, _wlan
if len(sys.argv) > 4:
    import vfs

    vfs.mount(vfs.VfsRom(idfheap.flash(sys.argv[4])), "/rom")
    sys.path.append("/rom")
import client  # noqa: E402, F401
