"""`[[expect]]`: what must be true, of what, and when."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from faultproxy.core import units
from faultproxy.faults.base import Connections
from faultproxy.faults.fields import Duration, Strict
from faultproxy.scenario.observables import Observable, Sort, observable, wanted

Plain = str | bool | int | float
Comparison = Literal["is", "not", "at_least", "at_most", "between", "contains"]
COMPARISONS: tuple[Comparison, ...] = ("is", "not", "at_least", "at_most", "between", "contains")
When = Literal["within", "throughout", "at"]
WHEN: tuple[When, ...] = ("within", "throughout", "at")
_ORDERED: tuple[Sort, ...] = ("count", "tally", "size", "time", "number")

_ANY_VALUE = {"type": ["string", "boolean", "number"]}
_ONE = WithJsonSchema(_ANY_VALUE)
_ONE_OR_LIST = WithJsonSchema({"anyOf": [_ANY_VALUE, {"type": "array", "items": _ANY_VALUE, "minItems": 1}]})
_PAIR = WithJsonSchema({"type": "array", "items": _ANY_VALUE, "minItems": 2, "maxItems": 2})


def _mistakes(found: Iterable[tuple[str, str]]) -> ValidationError:
    """Several mistakes at once, each at a key of the table that is being read."""
    details = [
        InitErrorDetails(type=PydanticCustomError("mistake", "{text}", {"text": text}), loc=(key,), input=None) for key, text in found
    ]
    return ValidationError.from_exception_data("expect", details)


class Condition(Strict):
    """`what` compared with a value; which values fit depends on what it is about."""

    model_config = ConfigDict(populate_by_name=False)

    what: str = Field(description="what is observed")
    is_: Annotated[Any, _ONE_OR_LIST] = Field(None, alias="is", description="it is this, or one of a list")
    not_: Annotated[Any, _ONE_OR_LIST] = Field(None, alias="not", description="it is not this, or none of a list")
    at_least: Annotated[Any, _ONE] = Field(None, description="it is this or more")
    at_most: Annotated[Any, _ONE] = Field(None, description="it is this or less")
    between: Annotated[Any, _PAIR] = Field(None, description="it lies between two values, both included")
    contains: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(None, description="this stands somewhere in an output")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self._check_comparison()
        return self

    def _check_comparison(self) -> None:
        mistakes = []
        try:
            about = observable(self.what)
        except ValueError as exc:
            raise _mistakes([("what", str(exc))]) from exc
        given = [key for key, value in self._given()]
        if len(given) != 1:
            many = f"this one has {' and '.join(given)}" if given else "this one has none"
            raise ValueError(f"one of {', '.join(COMPARISONS)} says what is wanted: {many}")
        for key, value in self._given():
            try:
                _compared(about.sort, key, value)
            except ValueError as exc:
                mistakes.append((str(key), str(exc)))
        if mistakes:
            raise _mistakes(mistakes)

    def _given(self) -> list[tuple[Comparison, Any]]:
        values = (self.is_, self.not_, self.at_least, self.at_most, self.between, self.contains)
        return [(key, value) for key, value in zip(COMPARISONS, values, strict=True) if value is not None]

    @property
    def observable(self) -> Observable:
        """What it is about."""
        return observable(self.what)

    @property
    def comparison(self) -> Comparison:
        """How it is compared."""
        return self._given()[0][0]

    @property
    def wanted(self) -> tuple[Plain, ...]:
        """With what: one value, the choices of a list, or the two bounds of `between`; plain numbers, a share as a float from 0 to 1."""
        key, value = self._given()[0]
        return _compared(self.observable.sort, key, value)


def _compared(sort: Sort, key: Comparison, value: Any) -> tuple[Plain, ...]:
    if sort == "text":
        if key != "contains":
            raise ValueError(f"an output is long: say what it must have in it with `contains`, not `{key}`")
        if not isinstance(value, str) or not value:
            raise ValueError(f"expected a string that must stand in the output, not {value!r}")
        return (value,)
    if key == "contains":
        raise ValueError("`contains` is for an output; compare this with is, not, at_least, at_most or between")
    if key in ("at_least", "at_most", "between") and sort not in _ORDERED:
        raise ValueError(f"{'a state' if sort == 'state' else 'true or false'} has no more and less: compare it with is or not")
    if key == "between":
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise ValueError(f"expected two values, the least and the most, not {value!r}")
        low, high = wanted(sort, value[0]), wanted(sort, value[1])
        if type(low) is not type(high):
            raise ValueError("both values must be counts, or both shares")
        if low > high:  # type: ignore[operator]
            raise ValueError("the first value is the least and the second the most: here they are the other way round")
        return low, high
    if isinstance(value, list | tuple):
        if key not in ("is", "not"):
            raise ValueError(f"`{key}` takes one value, not a list")
        if not value:
            raise ValueError("the list is empty")
        return tuple(wanted(sort, one) for one in value)
    return (wanted(sort, value),)


def _window(value: object) -> Any:
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise ValueError(f'expected a time such as "5s", or a window such as ["9s", "11s"], not {value!r}')
        first, last = units.duration(value[0]), units.duration(value[1])
        if first >= last:
            raise ValueError("the window ends before it begins")
        return first, last
    return units.duration(value)


def _throughout(value: object) -> Any:
    if value is True:
        return value
    if isinstance(value, bool):
        raise ValueError('`throughout` is a time such as "5s", or true: to the end of the phase')
    return units.duration(value)


def _holds_for(value: object) -> Any:
    if value in ("all", "any") or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    if isinstance(value, str | float) and (isinstance(value, float) or value.rstrip().endswith("%")):
        return units.share(value)
    raise ValueError(f'expected "all", "any", a count from 1, or a share such as "95%", not {value!r}')


_TIME = {"type": "string", "examples": ["5s"]}
_WITHIN_SCHEMA = WithJsonSchema({"anyOf": [_TIME, {"type": "array", "items": _TIME, "minItems": 2, "maxItems": 2}]})
_THROUGHOUT_SCHEMA = WithJsonSchema({"anyOf": [_TIME, {"const": True}]})
_HOLDS_SCHEMA = WithJsonSchema({"anyOf": [{"enum": ["all", "any"]}, {"type": "integer", "minimum": 1}, {"type": "string"}]})


class Expect(Condition):
    """Something that must be true, judged for each connection and anew for each start of the fault of `since`."""

    what: str = Field("", description="what is observed; see the vocabulary")
    any_: tuple[Condition, ...] = Field((), alias="any", description="one of these, [{what, is}, …], at one moment")
    all_: tuple[Condition, ...] = Field((), alias="all", description="all of these, [{what, is}, …], at one moment")
    within: Annotated[Any, BeforeValidator(_window), _WITHIN_SCHEMA] = Field(
        None, description='becomes true in this time; ["9s", "11s"]: in this window and not before'
    )
    throughout: Annotated[Any, BeforeValidator(_throughout), _THROUGHOUT_SCHEMA] = Field(
        None, description="is true for so long; true: to the end of the phase"
    )
    at: Duration | None = Field(None, description="is true so long after `since`, whatever it was before")
    since: str | None = Field(
        None,
        description='a fault\'s start; "heal:NAME", "heal" (everything), "start". Default: the only fault; with several it must be written',
    )
    connections: Connections | None = Field(
        None, description="as in a fault (default: those on which the fault of `since` fired, else all but probes)"
    )
    holds_for: Annotated[Any, BeforeValidator(_holds_for), _HOLDS_SCHEMA] = Field(
        "all", description="for how many of them: all, any, a count, a share"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = [key for key, value in (("what", self.what), ("any", self.any_), ("all", self.all_)) if value]
        if len(given) != 1:
            raise ValueError(
                f"expected `what`, or a list `any`, or a list `all`, but one of them: this one has {' and '.join(given) or 'none'}"
            )
        if self.what:
            self._check_comparison()
        mistakes: list[tuple[str, str]] = []
        if not self.what:
            mistakes += [(key, f"stands inside the list of `{given[0]}`, beside each `what`") for key, _value in self._given()]
        if not mistakes and not any(condition.observable.per_connection for condition in self.conditions):
            for key in ("connections", "holds_for"):
                if key in self.model_fields_set:
                    mistakes.append((key, "what is observed here is not one of a connection: there is nothing to choose"))
        if mistakes:
            raise _mistakes(mistakes)
        when = [f"`{key}`" for key in WHEN if getattr(self, key) is not None]
        if len(when) != 1:
            many = f"one of them, and not {' and '.join(when)}" if when else "this one has none of them"
            raise ValueError(f"`within`, `throughout` or `at` says when it must be true: {many}")
        return self

    @property
    def when(self) -> When:
        """The key that says when it must be true."""
        return next(key for key in WHEN if getattr(self, key) is not None)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What is compared: itself, or its list."""
        return (self,) if self.what else self.any_ or self.all_

    @property
    def about_healing(self) -> bool:
        """Whether it is decided after healing."""
        return self.since is not None and (self.since == "heal" or self.since.startswith("heal:"))

    @property
    def limit(self) -> float | None:
        """When it is decided at the latest, in seconds after `since`; None: at the end of the phase."""
        if self.at is not None:
            return self.at
        if self.within is not None:
            return float(self.within[1] if isinstance(self.within, tuple) else self.within)
        return None if self.throughout is True else float(self.throughout)
