"""Arithmetic with named vectors: ``garden:orchid - garden:red + 0.5*garden:blue``.

The parser is pure: text in, names with their factors out. What a name means is the caller's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from midi.errors import UserError

MAX_LENGTH = 1000
"""Longest expression, in characters."""

MAX_DEPTH = 40
"""Deepest nesting of parentheses."""

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""What a vector may be called; models are called so, too."""

# A hyphen belongs to a name unless what follows it is the next "model:".
_TERM = r"[a-z0-9][a-z0-9_-]*:#?[a-z0-9_]+(?:-[a-z0-9_]+(?![a-z0-9_-]*:))*"
_TOKEN = re.compile(rf"\s*(?:(?P<name>{_TERM})|(?P<number>[0-9]+\.?[0-9]*|\.[0-9]+)|(?P<sign>[-+*/()]))")

_HINT = 'Write it like "garden:orchid - garden:red + 0.5*garden:blue".'


@dataclass(frozen=True)
class Vector:
    """A place in latent space, or a way through it.

    Attributes:
        values: ``[w]``, or ``[layers, w]``.
        is_direction: A difference of places, to be added to one.
    """

    values: Tensor
    is_direction: bool = False


def parse(text: str) -> dict[str, float]:
    """The names in an expression with their factors, in order of appearance.

    ``+ - * /``, parentheses and numbers; names are ``model:vector``, ``model:#SEED`` for the place of a
    seed. Spaces are free, except that a hyphen inside a name belongs to it.

    Raises:
        UserError: It can't be read, is not linear in its names, or has a number standing alone.
    """
    if len(text) > MAX_LENGTH:
        raise UserError(f"The expression has {len(text)} characters.", f"Use at most {MAX_LENGTH}.")
    terms = _Parser(text).whole()
    if constant := terms.pop("", 0.0):
        raise UserError(f"The number {constant:g} stands alone in '{text}'.", _HINT)
    if not terms:
        raise UserError(f"'{text}' names no vector.", _HINT)
    return terms


def combined(terms: Mapping[str, float], look_up: Callable[[str], Vector], mean: Tensor) -> Vector:
    """The vector that a parsed expression stands for.

    Places count from the mean of w, so that factors that don't add up to 1 lead nearer to it or further
    away, never out of the space; when they add up to 0, the result is a direction.

    Args:
        terms: Names and factors.
        look_up: Gives a name's vector.
        mean: The model's mean, ``[w]``.
    """
    total = mean * 0
    weight = 0.0
    for name, factor in terms.items():
        vector = look_up(name)
        if vector.is_direction:
            total = total + factor * vector.values
        else:
            total = total + factor * (vector.values - mean)
            weight += factor
    is_direction = abs(weight) < 1e-9
    return Vector(total if is_direction else mean + total, is_direction)


class _Parser:
    """Recursive descent; a value is a sum of names with factors, the empty name standing for numbers."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text.replace("\N{MINUS SIGN}", "-").lower())
        self._at = 0
        self._depth = 0

    def whole(self) -> dict[str, float]:
        value = self._sum()
        if self._at < len(self._tokens):
            raise self._fault()
        return value

    def _sum(self) -> dict[str, float]:
        value = self._product()
        while (sign := self._taken("+", "-")) is not None:
            value = _added(value, self._product(), -1.0 if sign == "-" else 1.0)
        return value

    def _product(self) -> dict[str, float]:
        value = self._factor()
        while (sign := self._taken("*", "/")) is not None:
            other = self._factor()
            if sign == "/":
                value = self._divided(value, other)
            elif other.keys() <= {""}:
                value = _scaled(value, other.get("", 0.0))
            elif value.keys() <= {""}:
                value = _scaled(other, value.get("", 0.0))
            else:
                raise UserError(
                    f"'{self._text}' multiplies two vectors.", "Multiply vectors by numbers only."
                )
        return value

    def _divided(self, value: dict[str, float], other: dict[str, float]) -> dict[str, float]:
        if not other.keys() <= {""} or not other.get("", 0.0):
            raise UserError(
                f"'{self._text}' divides by a vector or by 0.", "Divide vectors by numbers other than 0."
            )
        return _scaled(value, 1 / other[""])

    def _factor(self) -> dict[str, float]:
        if (sign := self._taken("+", "-")) is not None:
            return _scaled(self._nested(self._factor), -1.0 if sign == "-" else 1.0)
        if self._taken("(") is not None:
            value = self._nested(self._sum)
            if self._taken(")") is None:
                raise self._fault()
            return value
        if self._at >= len(self._tokens) or self._tokens[self._at][0] == "sign":
            raise self._fault()
        kind, word = self._tokens[self._at]
        self._at += 1
        return {word: 1.0} if kind == "name" else {"": float(word)}

    def _nested(self, part: Callable[[], dict[str, float]]) -> dict[str, float]:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UserError("The expression is nested too deep.", "Use fewer parentheses.")
        value = part()
        self._depth -= 1
        return value

    def _taken(self, *signs: str) -> str | None:
        if self._at < len(self._tokens) and self._tokens[self._at] in [("sign", sign) for sign in signs]:
            self._at += 1
            return self._tokens[self._at - 1][1]
        return None

    def _fault(self) -> UserError:
        where = f"at '{self._tokens[self._at][1]}'" if self._at < len(self._tokens) else "at its end"
        return UserError(f"'{self._text}' can't be read {where}.", _HINT)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise UserError(f"'{text}' can't be read at '{text[at:].strip()[:20]}'.", _HINT)
        kind = str(match.lastgroup)
        found.append((kind, match[kind]))
        at = match.end()
    return found


def _scaled(value: Mapping[str, float], factor: float) -> dict[str, float]:
    return {name: share * factor for name, share in value.items()}


def _added(value: dict[str, float], other: Mapping[str, float], sign: float) -> dict[str, float]:
    for name, share in other.items():
        value[name] = value.get(name, 0.0) + sign * share
    return value
