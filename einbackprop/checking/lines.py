"""What reading the code adds to the facts: proofs, guards, shapes, and the lines of the backward."""

from collections.abc import Sequence
from typing import Any

from einbackprop.capture.tracer import Trace
from einbackprop.checking.answers import Trial
from einbackprop.checking.problems import Problem
from einbackprop.core.nesting import duplicate
from einbackprop.diagnosis.review import Review, review
from einbackprop.errors import EinbackpropError


def reviewed(problem: Problem, trial: Trial, traced: Trace | EinbackpropError, others: Sequence[Any]) -> Review:
    """Review the code, where it can be read; of gradients without a plain verdict nothing is said.

    ``others`` are more states, at which it is run as it was read.
    """
    user, state = trial.user, trial.state
    plain = {item.name for item in trial.gradients if item.verdict in ("right", "wrong")}
    if user.random or not plain:
        return Review()
    result = user.gradients(duplicate(state))
    values = {name: value for name, value in user.matched(result, state).values.items() if name in plain}
    paths = {target.name: target.path for target in trial.targets}
    return review(traced, state, values, result, paths, problem.place, trial.wrong, others)
