"""The OTA server: what `serve`, `push` and `devices` share is one folder, described in store.py."""
