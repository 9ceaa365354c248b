"""device.ntp: dates as Unix seconds."""

from device import ntp


def test_build_times():
    for text, seconds in (
        ("May 24 2024 10:33:41", 1716546821), ("Jan 1 2000 00:00:00", 946684800),
        ("Feb 29 2028 23:59:59", 1835481599), ("Dec  9 2026 01:02:03", 1796778123),
    ):  # fmt: skip
        assert ntp.build_seconds(text) == seconds, text


def test_texts_that_are_not_build_times():
    for text in (
        "", "May 24 2024", "2024-05-24 10:33:41", "24 May 2024 10:33:41", "anF 1 2026 00:00:00",
        "May x 2024 10:33:41", "May 24 1999 10:33:41", "May 24 2101 10:33:41", "May 24 2024 10:33",
        "May 24 2024 a:b:c", "ay 24 2024 10:33:41", "may 24 2024 10:33:41", "JanFeb 1 2026 00:00:00",
        "May 24 99999999999999 10:33:41",
    ):  # fmt: skip
        assert ntp.build_seconds(text) == 0, text


def test_unix_seconds_past_2038():
    for moment, seconds in (
        ((1970, 1, 1, 0, 0, 0), 0), ((2000, 2, 29, 12, 0, 1), 951825601), ((2038, 1, 19, 3, 14, 8), 1 << 31),
        ((2046, 12, 31, 23, 59, 59), 2429913599), ((2100, 3, 1, 0, 0, 0), 4107542400),
    ):  # fmt: skip
        assert ntp.unix(*moment) == seconds, moment
