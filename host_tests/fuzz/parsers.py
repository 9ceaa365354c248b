"""The table of the fuzzing: what is good input for each parser, what spoils it, how it may say no."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import good_images
import good_keys
import good_messages
import good_network
import good_records
import hostile
import makeimage
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from device import errors


@dataclass(frozen=True)
class Parser:
    """good: (bytes, what the parser must make of them). rule(bytes, value): does what was accepted keep the
    documented rules? codes: of the OtaErrors that it may raise. may_be_none: whether None is an answer."""

    good: SearchStrategy[tuple[bytes, Any]]
    rule: Callable[[bytes, Any], bool]
    codes: tuple[int, ...] = ()
    may_be_none: bool = False
    more: SearchStrategy[bytes] | None = None  # hostile input with a grammar of its own

    @property
    def hostile(self) -> SearchStrategy[bytes]:
        spoilt = hostile.hostile(self.good.map(lambda case: case[0]))
        if self.more is None:
            return spoilt
        return st.booleans().flatmap(lambda own: self.more if own else spoilt)


def _trailers() -> SearchStrategy[bytes]:
    text = hostile.hostile_json(good_images.trailer_objects).filter(lambda raw: len(raw) < 60000)
    return text.map(makeimage.raw_trailer)


def _journals() -> SearchStrategy[bytes]:
    """Records with a right checksum over anything."""
    return st.tuples(st.binary(max_size=140), st.binary(max_size=140)).map(_with_checksums)


def _with_checksums(parts: tuple[bytes, bytes]) -> bytes:
    files = []
    for part in parts:
        tag = part[8:]
        head = (part[:8] + bytes(8))[:8]
        head = (
            head[:3] + bytes([head[3] & 0x7F]) + head[4:]
        )  # sequence numbers end at 2**32, beyond all flash
        record = b"OTJ2" + head + good_records.binding() + struct.pack("128s", tag)
        files.append(record + zlib.crc32(record).to_bytes(4, "little"))
    return bytes([len(files[0])]) + files[0] + files[1]


_HEAD_CODES = (errors.HTTP_STATUS, errors.CONNECTION_FAILED)
_LINK_CODES = (errors.CONNECTION_FAILED, errors.TIMEOUT, errors.BAD_MESSAGE)

PARSERS = {
    "json": Parser(
        good_messages.json_cases, good_messages.json_rule, (), True,
        hostile.hostile_json(good_messages.json_cases.map(lambda case: case[1])),
    ),
    "offer": Parser(
        good_messages.offer_cases, good_messages.offer_rule, (errors.BAD_MESSAGE,), False,
        hostile.hostile_json(good_messages.offer_objects),
    ),
    "version": Parser(good_messages.version_cases, good_messages.version_rule, (), True),
    "build_time": Parser(good_messages.build_times(), good_messages.build_time_rule, (), True),
    "url": Parser(
        good_messages.url_cases(), good_messages.url_rule, (errors.BAD_MESSAGE,), False,
        good_messages.odd_urls,
    ),
    "head": Parser(
        good_network.head_cases, good_network.head_rule, _HEAD_CODES, False, good_network.odd_heads(),
    ),
    "redirect": Parser(
        good_network.redirects(), good_network.redirect_rule, _HEAD_CODES, False,
        good_network.odd_heads(),
    ),
    "header": Parser(
        good_images.header_cases, good_images.header_rule,
        (errors.HEADER_INVALID, errors.SIZE_MISMATCH, errors.WRONG_BOARD), False,
        good_images.odd_wm_headers(),
    ),
    "trailer": Parser(
        good_images.trailers(), good_images.trailer_rule,
        (errors.HEADER_INVALID, errors.WRONG_BOARD, errors.VERSION_UNKNOWN), False, _trailers(),
    ),
    "signature": Parser(
        good_images.signatures(), good_images.signature_rule, (), True, good_images.odd_signatures(),
    ),
    "key": Parser(good_images.keys(), good_images.key_rule, (), True),
    "certificates": Parser(good_keys.certificates(), good_keys.certificates_rule, (errors.NO_INIT,)),
    "table": Parser(good_keys.tables, good_keys.table_rule, (errors.NO_INIT,)),
    "next_key": Parser(good_keys.next_keys, good_keys.next_key_rule, (errors.HEADER_INVALID,), True),
    "signed_offer": Parser(
        good_keys.signed_offers, good_keys.signed_offer_rule, (errors.BAD_MESSAGE,), True,
        hostile.hostile_json(good_keys.signed_offer_objects()),
    ),
    "config": Parser(
        good_records.config_cases, good_records.config_rule, (errors.INVALID_PARAM,), True,
        hostile.hostile_json(good_records.config_objects),
    ),
    "state": Parser(
        good_records.state_cases, good_records.state_rule, (), False,
        hostile.hostile_json(good_records.state_objects),
    ),
    "journal": Parser(good_records.journals(), good_records.journal_rule, (), False, _journals()),
    "mqtt": Parser(good_network.sessions(), good_network.mqtt_rule, _LINK_CODES),
    "ntp": Parser(good_network.ntp_answers(), good_network.ntp_rule, (errors.NO_CLOCK,)),
}  # fmt: skip
