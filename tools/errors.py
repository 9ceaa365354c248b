"""The one exception a tool raises to end with a friendly line instead of a traceback."""


class ToolError(Exception):
    """Shown as `error: message`; the message says in one line what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
