"""The one exception that a person gets to see."""


class UserError(Exception):
    """A fault that a person can act on: one sentence, and what to do about it.

    Programs print ``message`` and ``hint`` on two lines and exit with ``exit_code``; a traceback
    appears only with ``--debug``.

    Attributes:
        message: What is wrong and where, one sentence.
        hint: What to do about it, one sentence; may be empty.
        exit_code: 2 for wrong use or bad input (the default), 1 for an expected failure.
    """

    def __init__(self, message: str, hint: str = "", *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()
