"""device.connection: the networks in order, each within its time, whatever the driver throws."""

from check import raises_code, recorded_log, run, settings
from faketime import FakeTime

from device import connection, errors

PROVES = {errors.NO_GOT_IP: "test_no_network_is_given_up_within_the_sum_of_the_limits"}

NETWORKS = [["a", "password-a"], ["b", "password-b"], ["c", "password-c"]]


class Wlan:
    """A station that comes up `delay_ms` after joining `good`."""

    def __init__(self, clock, good="", delay_ms=0):
        self.clock = clock
        self.good = good
        self.delay_ms = delay_ms
        self.calls = []
        self.busy = 0  # this many calls of connect raise
        self._up_at = None

    def isconnected(self):
        return self._up_at is not None and self.clock.elapsed_ms >= self._up_at

    def active(self, on):
        self.calls.append("active")

    def disconnect(self):
        self.calls.append("disconnect")
        self._up_at = None

    def connect(self, ssid, password):
        self.calls.append((ssid, password))
        if self.busy:
            self.busy -= 1
            raise OSError("Wifi Internal Error")
        if ssid == self.good:
            self._up_at = self.clock.elapsed_ms + self.delay_ms

    def ifconfig(self):
        return ("10.0.0.2", "", "", "")

    def joins(self):
        return [call[0] for call in self.calls if isinstance(call, tuple)]


def _join(wlan, seconds=2):
    run(connection.join(wlan, settings(wifi=NETWORKS, wifi_timeout_s=seconds)), wlan.clock.advance)
    return wlan


def test_networks_are_tried_in_order_until_one_is_up():
    for count, good in enumerate("abc"):
        with FakeTime() as clock:
            wlan = Wlan(clock, good, 700)
            assert _join(wlan).isconnected()
            assert wlan.joins() == ["a", "b", "c"][: count + 1]
            assert 2000 * count + 700 <= clock.elapsed_ms <= 2050 * count + 750


def test_the_password_belongs_to_its_network_and_old_attempts_are_dropped_first():
    with FakeTime() as clock:
        wlan = Wlan(clock, "b")
        _join(wlan)
    before = ["active", "disconnect"]
    assert wlan.calls == before + [("a", "password-a")] + before + [("b", "password-b")]


def test_no_network_is_given_up_within_the_sum_of_the_limits():
    with FakeTime() as clock:
        wlan = Wlan(clock)
        raises_code(errors.NO_GOT_IP, _join, wlan)
        assert wlan.joins() == ["a", "b", "c"]
        assert 6000 <= clock.elapsed_ms <= 6150


def test_one_that_comes_too_late_is_given_up():
    with FakeTime() as clock:
        raises_code(errors.NO_GOT_IP, _join, Wlan(clock, "a", 2100))


def test_a_busy_driver_is_no_end():
    with FakeTime() as clock:
        wlan = Wlan(clock, "b")
        wlan.busy = 1
        with recorded_log() as lines:
            assert _join(wlan).isconnected()
        assert wlan.joins() == ["a", "b"]
        assert any("Internal Error" in line for line in lines)


def test_a_driver_that_throws_everywhere():
    class Broken(Wlan):
        def active(self, on):
            raise OSError("Wifi Not Started")

        def disconnect(self):
            raise OSError("Wifi Not Started")

    with FakeTime() as clock:
        assert _join(Broken(clock, "a")).isconnected()


def test_up_already():
    with FakeTime() as clock:
        wlan = Wlan(clock, "a")
        wlan.connect("a", "password-a")
        _join(wlan)
        assert wlan.joins() == ["a"] and clock.elapsed_ms == 0


def test_the_log_never_holds_a_password():
    with FakeTime() as clock, recorded_log() as lines:
        wlan = Wlan(clock, "c")
        wlan.busy = 1
        _join(wlan)
    assert lines and not any("password-" in line for line in lines)
