"""Asks a board everything that `doctor` needs to know, before anything is checked."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from typing import Any

from tools.realboard import errnos
from tools.realboard.session import BoardError, Session

MODULES = ("umqtt.simple", "ntptime", "tls", "ssl", "hashlib", "deflate")
FILES = ("broker_ca", "client_cert", "client_key", "file_ca", "signing_key")  # keys of the configuration
MARGIN_S = 15


@dataclass
class Facts:
    """system, memory, partitions: see onboard/facts.py. modules: name → is it there? places: the entries of
    sys.path that hold the package; main_py: text of the file, None without one.
    config, wifi, broker, offer: {"ok": value} or {"code", "detail"}; None = not tried. files: content of what
    the configuration names, None = cannot be read. times: [host, Unix s or text of the error]."""

    system: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    partitions: dict[str, Any] | None = None
    mac: str = ""
    modules: dict[str, bool] = field(default_factory=dict)
    places: list[str] = field(default_factory=list)
    is_built_in: bool = False
    main_py: str | None = None
    config_text: str | None = None
    config: dict[str, Any] | None = None
    files: dict[str, bytes | None] = field(default_factory=dict)
    wifi: dict[str, Any] | None = None
    times: list[list[Any]] = field(default_factory=list)
    broker: dict[str, Any] | None = None
    offer: dict[str, Any] | None = None
    host_time: float = 0.0

    @property
    def settings(self) -> dict[str, Any] | None:
        """The board's configuration with all defaults, None if it is not valid."""
        return (self.config or {}).get("ok")


def examine(board: Session, offer: str | None) -> Facts:
    """offer: JSON text of an offer's data, to be checked; None = none."""
    facts = Facts()
    for name in ("facts", "modules", "identity"):
        board.load(name)
    facts.host_time = time.time()
    facts.system = board.call("system")
    facts.memory = board.call("memory")
    facts.partitions = board.call("partitions")
    facts.mac = board.call("mac").upper()
    facts.modules = {name: board.call("has_module", name) for name in MODULES}
    facts.places = board.call("places", "device")
    facts.is_built_in = board.call("is_before_lib", "device")
    facts.main_py = board.call("read_text", "main.py")
    facts.config_text = board.call("read_text", "ota.json")
    if facts.places and facts.config_text is not None:
        board.load("network_check")
        facts.config = tried(board, "check_config")
    if facts.settings:
        _read_files(board, facts)
        _look_outside(board, facts)
        if offer is not None:
            board.load("dry_run")
            facts.offer = tried(board, "judge_offer", offer)
    return facts


def _read_files(board: Session, facts: Facts) -> None:
    assert facts.settings
    for key in FILES:
        text = board.call("read_base64", facts.settings[key])
        facts.files[key] = None if text is None else base64.b64decode(text)


def _look_outside(board: Session, facts: Facts) -> None:
    """Wi-Fi, then time, then the broker."""
    settings = facts.settings
    assert settings
    limit_s = len(settings["wifi"]) * settings["wifi_timeout_s"] + MARGIN_S
    facts.wifi = tried(board, "join", limit_s=limit_s)
    if "ok" not in facts.wifi:
        return
    facts.times = board.call("ask_time")
    board.call("set_clock", int(facts.host_time))
    facts.broker = tried(board, "connect", limit_s=settings["mqtt_timeout_s"] + MARGIN_S)


def tried(board: Session, function: str, *arguments: Any, limit_s: float = 60) -> dict[str, Any]:
    """{"ok": value} or {"code", "detail"}: an exception that is not of the package's own is an answer, and so
    is what its functions do not answer."""
    try:
        answer = board.call(function, *arguments, limit_s=limit_s)
    except BoardError as error:
        answer = {"code": 0, "detail": str(error)}
    if not isinstance(answer, dict) or not {"ok", "detail"} & set(answer):
        answer = {"code": 0, "detail": f"{function} answers {answer!r:.80}"}
    if "ok" not in answer:
        answer = {"code": answer.get("code", 0), "detail": errnos.explain(str(answer["detail"]))}
    return answer
