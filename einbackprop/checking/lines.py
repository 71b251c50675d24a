"""The lines of the user's code judged, once there are verdicts on the gradients."""

from einbackprop.capture.tracer import Trace
from einbackprop.checking.problems import Problem
from einbackprop.checking.trials import Trial
from einbackprop.core.nesting import duplicate
from einbackprop.diagnosis.reviewing import Review, review
from einbackprop.errors import EinbackpropError


def reviewed(problem: Problem, trial: Trial, traced: Trace | EinbackpropError, seed: int) -> Review:
    """The lines judged, where the code can be read; of gradients without a plain verdict nothing is said."""
    user, state = trial.user, trial.state
    plain = {item.name for item in trial.gradients if item.verdict in ("right", "wrong")}
    if user.random or not plain:
        return Review()
    result = user.gradients(duplicate(state))
    values = {name: value for name, value in user.matched(result, state).values.items() if name in plain}
    paths = {target.name: target.path for target in trial.targets}
    return review(traced, state, user.loss, user.gradients, values, result, paths, problem.place, trial.wrong, seed)
