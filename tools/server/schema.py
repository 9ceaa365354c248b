"""The tables of fleet.db, and how a file of an older version becomes one of today's.

FORMATS[n] makes format n + 1 of format n; a new file goes through all of them.
"""

from __future__ import annotations

import sqlite3

_FORMAT_1 = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE devices (
    mac TEXT PRIMARY KEY, version TEXT, build_time TEXT, slot TEXT,
    seen REAL, gets INTEGER NOT NULL DEFAULT 0,
    code INTEGER, cause TEXT, failed_at REAL,
    certificate_ends REAL, reports INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE tags (tag TEXT, mac TEXT, PRIMARY KEY (tag, mac)) WITHOUT ROWID;
CREATE TABLE images (
    digest TEXT PRIMARY KEY, size INTEGER, version TEXT, board TEXT, kind TEXT, added REAL
) WITHOUT ROWID;
CREATE TABLE pushes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT, version TEXT, offer TEXT,
    max_failures INTEGER, silence_s REAL, state TEXT, note TEXT NOT NULL DEFAULT '', made REAL
);
CREATE TABLE targets (
    mac TEXT, push INTEGER, state TEXT, progress INTEGER NOT NULL DEFAULT 0, code INTEGER, cause TEXT,
    offers INTEGER NOT NULL DEFAULT 0, due REAL, starts_at INTEGER NOT NULL DEFAULT 0, changed REAL,
    bytes INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (mac, push)
) WITHOUT ROWID;
CREATE INDEX targets_of_push ON targets (push, state);
CREATE INDEX targets_by_state ON targets (state);
CREATE TABLE reports (
    mac TEXT, number INTEGER, time REAL, name TEXT, data TEXT, PRIMARY KEY (mac, number)
) WITHOUT ROWID;
CREATE TABLE servers (name TEXT PRIMARY KEY, seen REAL, answered INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
"""

# devices.state, .knows: as the board said it last; .said: when that was, in ms by its clock. targets.due:
# when the server has to look at it again. targets_by_state ends, as each index here, in the primary key: it
# has the devices of a state by MAC, which targets_by_due has not. tallies: how many devices are in each state
# of a push, so that nobody has to count them; push 0, state 'known': all devices. They are kept by the
# triggers alone.
_FORMAT_2 = """
ALTER TABLE devices ADD COLUMN state TEXT;
ALTER TABLE devices ADD COLUMN knows TEXT;
ALTER TABLE devices ADD COLUMN said INTEGER;
ALTER TABLE targets ADD COLUMN recalls INTEGER NOT NULL DEFAULT 0;
UPDATE targets SET state = 'not recallable' WHERE (offers > 0 AND state IN ('queued', 'silent')
    OR state IN ('offered', 'downloading', 'verified', 'rebooting'))
    AND push IN (SELECT id FROM pushes WHERE state = 'cancelled');
UPDATE targets SET state = 'cancelled' WHERE state = 'queued'
    AND push IN (SELECT id FROM pushes WHERE state = 'cancelled');
UPDATE targets SET state = iif(offers = 0, 'not offered', iif(code IS NULL, 'offered', 'failed'))
    WHERE state = 'queued' AND push IN (SELECT id FROM pushes WHERE state = 'stopped');
UPDATE targets SET state = iif(push < (SELECT max(push) FROM targets newer WHERE newer.mac = targets.mac),
    'cancelled', 'retrying') WHERE state = 'queued' AND offers > 0;
DROP INDEX targets_of_push;
CREATE INDEX targets_of_push ON targets (push, state, due);
CREATE INDEX targets_by_due ON targets (state, due);
CREATE INDEX targets_by_change ON targets (changed);
CREATE INDEX pushes_by_state ON pushes (state);
CREATE INDEX tags_of_device ON tags (mac, tag);
CREATE TABLE tallies (
    push INTEGER, state TEXT, devices INTEGER NOT NULL, PRIMARY KEY (push, state)
) WITHOUT ROWID;
INSERT INTO tallies SELECT push, state, COUNT(*) FROM targets GROUP BY push, state;
INSERT INTO tallies SELECT 0, 'known', COUNT(*) FROM devices;
CREATE TRIGGER device_added AFTER INSERT ON devices BEGIN
    UPDATE tallies SET devices = devices + 1 WHERE push = 0 AND state = 'known'; END;
CREATE TRIGGER target_added AFTER INSERT ON targets BEGIN
    INSERT INTO tallies VALUES (new.push, new.state, 1)
    ON CONFLICT (push, state) DO UPDATE SET devices = devices + 1; END;
CREATE TRIGGER target_changed AFTER UPDATE OF state ON targets WHEN old.state != new.state BEGIN
    UPDATE tallies SET devices = devices - 1 WHERE push = old.push AND state = old.state;
    INSERT INTO tallies VALUES (new.push, new.state, 1)
    ON CONFLICT (push, state) DO UPDATE SET devices = devices + 1; END;
"""


def _statements(script: str) -> list[str]:
    """A trigger has semicolons of its own."""
    found, rest = [], ""
    for line in script.splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            found.append(rest)
            rest = ""
    return found


FORMATS = (_statements(_FORMAT_1), _statements(_FORMAT_2))
