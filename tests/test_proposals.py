"""What scripts ask by themselves: in styles that people write, found without a word of theirs, and checked."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pasted_mistakes import PASTED, mistaken
from sampling import some

from einbackprop.core.source import parse_python
from einbackprop.errors import NothingError
from einbackprop.shell import answers, examples
from einbackprop.shell.answers import outcomes, proposed, proposing, readings
from einbackprop.shell.command import main
from einbackprop.shell.proposals import Proposal
from einbackprop.shell.proposals.definitions import script_of
from einbackprop.shell.proposals.function_questions import FunctionSearch
from einbackprop.shell.proposals.invention import Term
from einbackprop.shell.proposals.measures import Measure
from einbackprop.shell.proposals.minimizers import calls_handed_on
from einbackprop.shell.proposals.step_questions import said_of
from einbackprop.shell.proposals.steps import Descent, Step
from einbackprop.shell.proposals.trials import Trials
from einbackprop.shell.questions import Question
from einbackprop.shell.scripts import answer

ROUND = "one round of the loop in lines {} to {} is taken as a function"
NO_LOSS = "no loss function was found: the gradients are those of {}"

GATES = [f"{kind}{gate}" for gate in "zrh" for kind in "WUb"]
ASKED = {
    "kept_activations": ["--loss mse(forward(weights, x)[2], wanted) --grads backward(forward(weights, x), wanted, "
                         "weights) of weights"],
    "attributes_by_name": ["--loss quadratic(model.run(x), x)[0] --grads (model.back(quadratic(model.run(x), x)[1]), "
                           "[model.parts[0].slope_kernel, model.parts[0].slope_shift, model.parts[2].slope_kernel, "
                           "model.parts[2].slope_shift])[1] of model.parts[0].kernel model.parts[0].shift "
                           "model.parts[2].kernel model.parts[2].shift"],
    "attention_head": ["--forward attn_forward(x, Wq, Wk, Wv, Wo) --backward attn_backward(dout, cache) "
                       "of x Wq Wk Wv Wo"],
    "backward_of_targets": [
        "--loss 0.5 * np.sum((net.forward(X) - targets) ** 2) / len(targets) --grads (net.forward(X), net.backward("
        "targets), {'dweights2': net.dweights2, 'dweights1': net.dweights1})[-1] of net.weights2 net.weights1"],
    "batchnorm": ["--forward batchnorm_forward(x, gamma, beta, bn_param) --backward batchnorm_backward(dout, cache) "
                  "of x gamma beta"],
    "chained_fit": ["--loss clf._log_loss(X, y) --grads clf._gradient(X, y) of clf.coef_ clf.intercept_"],
    "char_rnn": ["--both lossFun(inputs, targets, hprev) of Wxh Whh Why bh by"],
    "conv_and_loop": ["--both step(fc_w, fc_b, conv_b, filters) of fc_w fc_b conv_b filters"],
    "conv_loops": ["--forward conv_forward(A_prev, W, b, hparameters) --backward conv_backward(dout, cache) "
                   "of A_prev W b"],
    "dataclass_train": ["--both loss_and_grads(params, X, y) of params"],
    "elman": ["--loss forward(p, tokens, np.zeros(6))[0] --grads backward(p, forward(p, tokens, np.zeros(6))[1]) of p"],
    "ex2_logreg": ["--loss cost_function(initial_theta, X, y) --grads gradient(initial_theta, X, y) of initial_theta"],
    "factory": ["--both value(theta) of theta"],
    "fc_net": ["--both twolayernet.loss(X, y) of twolayernet.params"],
    "guarded_main": [
        "--loss 0.5 * np.sum((reseau.avant(donnees)[2] - cibles.T) ** 2) --grads [(old - new) / reseau.pas for old, "
        "new in zip([reseau.poids[0] + 0, reseau.poids[1] + 0, reseau.biais[0] + 0, reseau.biais[1] + 0], "
        "(reseau.corriger(donnees, cibles), [reseau.poids[0], reseau.poids[1], reseau.biais[0], "
        "reseau.biais[1]])[1])] of reseau.poids[0] reseau.poids[1] reseau.biais[0] reseau.biais[1]",
    ],
    "gmm_gradient": ["--loss log_likelihood(X, logits, mu, log_sigma) "
                     "--grads log_likelihood_grad(X, logits, mu, log_sigma) of logits mu log_sigma"],
    "gradient_holder": ["--both batch_loss_and_grad(p, xs, labels) of p"],
    "grad_check": ["--loss compute_loss(params, X, Y) --grads backprop(params, X, Y) of params"],
    "gru_cell": ["--forward grucell.forward(x, h_prev) --backward grucell.backward(dout) --grads returned, "
                 + ", ".join(f"grucell.d{name}" for name in GATES) + " of x h_prev "
                 + " ".join(f"grucell.{name}" for name in GATES)],
    "hinge_network": ["--loss hinge(forward(p, x)[0], y) --grads backward(p, forward(p, x)[1], y) of p"],
    "polar_inputs": ["--both one_step() of net.layers[0].W net.layers[0].b net.layers[1].W net.layers[1].b"],
    "two_towers": ["--both one_step(rng, tower, X, y) of tower.W tower.c"],
    "poisson": ["--loss negloglik(beta) --grads score(beta) of beta"],
    "rated_rows": [
        "--both (lambda olds, found: (found[0], [(old - new) / tasa for old, new in zip(olds, found[1:])]))([P + 0, "
        "Q + 0, sesgo_p + 0, sesgo_u + 0], step()) of P Q sesgo_p sesgo_u",
    ],
    "factors_in_loops": [
        "--both (lambda olds, found: (found[0], [(old - new) / 0.01 for old, new in zip(olds, found[1:])]))([A + 0, B "
        "+ 0], one_step(R, person, A, B, alpha, beta)) of A B"],
    "gate_and_loss": [
        "--loss squared_loss(layer.forward(pairs[0][0]), pairs[0][1])[0] --grads (lambda found: [layer.dA, "
        "layer.dG, found])(layer.backward(squared_loss(layer.forward(pairs[0][0]), pairs[0][1])[1])) of layer.A "
        "layer.G pairs[0][0]",
    ],
    "handed_to_adam": ["--both one_step() of adam.p['W'] adam.p['b'] adam.p['V']"],
    "started_elsewhere": ["--both loss_and_grads(params, X, y, reg) of params"],
    "decay_in_update": ["--loss net.cost(x, y) --grads net.backprop(x, y) of net.b net.w"],
    "xor_number_by_number": [
        "--both (lambda olds, found: (found[0], [(old - new) / rate for old, new in zip(olds, found[1:])]))([start + 0,"
        " u[0] + 0, u[1] + 0, u[2] + 0, v[0][0] + 0, v[0][1] + 0, v[1][0] + 0, v[1][1] + 0, v[2][0] + 0, v[2][1] + 0], "
        "step(printed_error, start)) of start u[0] u[1] u[2] v[0][0] v[0][1] v[1][0] v[1][1] v[2][0] v[2][1]"],
    "ridge": ["--loss objective(w) --grads objective_grad(w) of w"],
    "layers": ["--both softmax_loss(x, y) of x",
               "--forward affine_forward(x, w, b) --backward affine_backward(dout, cache) of x w b",
               "--forward relu_forward(x) --backward relu_backward(dout, cache) of x"],
    "linear_regression_nb": ["--loss compute_cost(x_train, y_train, w, b) "
                             "--grads compute_gradient(x_train, y_train, w, b) of w b"],
    "layers_in_lists": [
        "--both (lambda olds, found: (found[0], [(old - new) / rate for old, new in zip(olds, found[1:])]))(["
        "offsets[0] + 0, offsets[1] + 0, weights[0] + 0, weights[1] + 0], step()) of offsets[0] offsets[1] weights[0] "
        "weights[1]"],
    "linear_svm": ["--both svm_loss_naive(W, X, y, reg) of W", "--both svm_loss_vectorized(W, X, y, reg) of W"],
    "lernendes_netz": [
        "--loss 0.5 * np.sum((netz.antwort(eingabe) - soll) ** 2) --grads [(old - new) / 0.02 for old, new in zip(["
        "netz.v + 0, netz.w + 0], (netz.lerne(eingabe, soll), [netz.v, netz.w])[1])] of netz.v netz.w"],
    "lstm_cell": ["--forward lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b) "
                  "--backward lstm_step_backward(dout[0], dout[1], cache) of x prev_h prev_c Wx Wh b"],
    "matrix_factorization": ["--loss kosten(P, Q, bu, bi, R, M, R[M == 1].mean(), 0.05) "
                             "--grads gradient(P, Q, bu, bi, R, M, R[M == 1].mean(), 0.05) of P Q bu bi"],
    "minibatch_generator": [
        "--loss cost(layers, X, np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:], args.l2) "
        "--grads backward(layers, X, np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:], args.l2) of layers"],
    "minigrad_layers": ["--both one_step() of net.layers[0].W net.layers[0].b net.layers[2].W net.layers[2].b"],
    "inner_call": [
        "--both tanh_net(rows[0][:-1].reshape(-1, 1), np.eye(3)[int(rows[0][-1])].reshape(3, 1), weights, 0.5) of "
        "weights",
    ],
    "filters_by_number": [
        "--both (lambda found: (found[3], [found[0], found[1], found[2]]))(convolved(pictures[begin:begin + "
        "3][0][0], pictures[begin:begin + 3][0][1], filters, biases, theta)) of filters biases theta",
    ],
    "label_squares": ["--both step(net, speed) of net.w_hidden net.b_hidden net.w_last net.b_last"],
    "left_beside": [
        "--both (lambda found: (found[0], recurrent.grads))(recurrent.there_and_back((waves[0:0 + 5], waves[0 + 1:0 "
        "+ 6])[0], (waves[0:0 + 5], waves[0 + 1:0 + 6])[1], state)) of recurrent.params",
    ],
    "minimized": ["--both net.cost(net.start, patches) of net.start"],
    "reused_names": ["--loss surprise(X, T, V) --grads nabla(X, T, V) of V"],
    "sample_by_sample": [
        "--both (lambda olds, found: (found[0], [(old - new) / 0.5 for old, new in zip(olds, found[1:])]))("
        "[stack.layers[0].W + 0, stack.layers[0].b + 0, stack.layers[1].W + 0, stack.layers[1].b + 0], "
        "one_step(rate, stack)) of stack.layers[0].W stack.layers[0].b stack.layers[1].W stack.layers[1].b"],
    "shaped_in_place": [
        "--both (lambda olds, found: (found[0], [(old - new) / 0.01 for old, new in zip(olds, found[1:])]))("
        "[out + 0, b_out + 0, into + 0, b_into + 0], step(out, b_out, into, b_into)) of out b_out into b_into"],
    "mixture_line": ["--loss nll(mu, log_sigma, eta) --grads grad_nll(mu, log_sigma, eta) of mu log_sigma eta"],
    "network": ["--loss 0.5 * np.sum((network.feedforward(x) - y) ** 2) --grads network.backprop(x, y) "
                "of network.biases network.weights"],
    "nn_scratch": ["--loss nn.loss(y, nn.forward(X)) --grads (nn.forward(X), nn.backward(X, y), {'dW2': nn.dW2, "
                   "'db2': nn.db2, 'dW1': nn.dW1, 'db1': nn.db1})[-1] of nn.W2 nn.b2 nn.W1 nn.b1"],
    "one_pass": ["--both step() of first.weights first.biases points second.weights second.biases"],
    "parameter_objects": ["--both one_step() of chain[0].w.data chain[0].b.data chain[2].w.data chain[2].b.data"],
    "planar_nn": ["--loss compute_cost(forward_propagation(X, parameters)[0], Y) --grads backward_propagation("
                  "parameters, forward_propagation(X, parameters)[1], X, Y) of parameters"],
    "pullbacks": ["--both value_and_grad(params, x, t) of params"],
    "defined_twice": ["--both step(w, b) of w b"],
    "row_by_row": ["--loss 0.5 * np.sum((net.run(rows[n]) - wanted[n][:, None]) ** 2) --grads [(old - new) / net.rate "
                   "for old, new in zip([net.first + 0, net.second + 0], (net.train(rows[n], wanted[n]), [net.first, "
                   "net.second])[1])] of net.first net.second"],
    "pairs_of_words": ["--loss -np.log(model.shares(model.rows[middle] @ model.columns)[beside]) --grads [(old - new) "
                       "/ model.rate for old, new in zip([model.rows + 0, model.columns + 0], (model.learn(middle, "
                       "beside), [model.rows, model.columns])[1])] of model.rows model.columns"],
    "in_other_words": [
        "--both (lambda olds, found: (found[0], [(old - new) / paso for old, new in zip(olds, "
        "found[1:])]))([pesos_b + 0, pesos_a + 0], step(pesos_b, pesos_a)) of pesos_b pesos_a",
    ],
    "left_by_loss": ["--loss net.squared_error() --grads (net.squared_error(), (net.step(0.5), [net.layers[0].g, "
                     "net.layers[1].g])[1])[1] of net.layers[0].W net.layers[1].W"],
    "shuffled_batches": ["--both step(x_all, y_all, size, net, rate, kept) of net.p['U'] net.p['u'] net.p['V'] "
                         "net.p['v']"],
    "softmax_regression": ["--loss cross_entropy(weights, bias, x, one_hot(y, y.max() + 1), args.l2) --grads "
                           "cross_entropy_grad(weights, bias, x, one_hot(y, y.max() + 1), args.l2) of weights bias"],
    "state_units": [
        "--both (lambda olds, found: (found[0], [(old - new) / 0.05 for old, new in zip(olds, "
        "found[1:])]))([network.w[0] + 0, network.w[1] + 0], step()) of network.w[0] network.w[1]",
    ],
    "shortened": ["--both (lambda olds, found: (found[0], [(old - new) / 0.02 for old, new in zip(olds, found[1:])]))("
                  "[net.U + 0, net.W + 0, net.V + 0, net.c + 0], step(total)) of net.U net.W net.V net.c"],
    "stacked_calls": ["--both one_step() of params[0] params[1] params2[0] params2[1]"],
    "signs_of_updates": ["--both (lambda olds, found: (found[0], [old - new for old, new in zip(olds, found[1:])]))("
                         "[second + 0, first + 0], step(second, first)) of second first"],
    "two_layer_globals": ["--loss loss(W1, b1, W2, b2) --grads gradients(W1, b1, W2, b2) of W1 b1 W2 b2"],
    "typed_huber_mlp": ["--loss huber_loss(x, target, w_in, b_in, w_out, b_out) "
                        "--grads huber_loss_backward(x, target, w_in, b_in, w_out, b_out) of w_in b_in w_out b_out"],
    "uebungsblatt": ["--loss kosten(gewichte, schwelle, daten, einsaus) "
                     "--grads ableitung(gewichte, schwelle, daten, einsaus) of gewichte schwelle"],
    "word_rows": [
        "--both (lambda olds, found: (found[0], [(old - new) / rate for old, new in zip(olds, found[1:])]))("
        "[outer + 0, inner + 0], step(total, outer)) of outer inner"],
    "unnamed_output": [
        "--loss -np.sum(y * np.log(f(x)[-1])) / y.shape[-1] --grads [(old - new) / 0.5 for old, new in zip([W[0] + 0, "
        "W[1] + 0, W[2] + 0, b[0] + 0, b[1] + 0, b[2] + 0], step()[1:])] of W[0] W[1] W[2] b[0] b[1] b[2]"],
    "word2vec": ["--both naiveSoftmaxLossAndGradient(centerWordVec, outsideWordIdx, outsideVectors) "
                 "of centerWordVec outsideVectors"],
}  # fmt: skip
FLAT = {
    "spiral": ("W b W2 b2", ROUND.format(23, 57), ""),
    "backprop_by_hand": ("W2 b2 W1 b1", "lines 18 to 38 are taken as a function", ""),
    "train_function": ("W2 b2 W1 b1", ROUND.format(14, 24), ""),
    "fitted_classifier": ("model.w model.bias", ROUND.format(15, 20),
                          NO_LOSS.format("-np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)) / len(y)")),
    "zero_start": ("classifier.coef", ROUND.format(15, 18),
                   NO_LOSS.format("-np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)) / len(y)")),
    "one_step_by_hand": ("m2 c2 m1 c1", "lines 10 to 23 are taken as a function",
                         NO_LOSS.format("np.sum((out - wanted) ** 2)")),
    "momentum": ("w1 w2", ROUND.format(11, 23), ""),
    "query_and_train": ("network.who network.wih", "lines 13 to 18 are taken as a function",
                        NO_LOSS.format("0.5 * numpy.sum((final_outputs - targets) ** 2)")),
}  # fmt: skip
UPDATING = "what is updated is returned in the place of that"
SLOW = ("char_rnn", "conv_loops")
"""Scripts whose check takes some seconds; others ask the same of loops."""


@pytest.fixture(scope="module", autouse=True)
def of_each_text_proposals_are_found_once() -> Iterator[None]:
    find, found = answers.proposals_of, dict[str, list[Proposal]]()

    def once(names: dict[str, Any], source: str, *more: Any) -> list[Proposal]:
        if source not in found:
            found[source] = find(names, source, *more)
        return found[source]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "proposals_of", once)
        yield


def told(proposal: Proposal) -> str:
    """The expressions that are asked, and what of."""
    assert proposal.question is not None
    given = {name: value for name, value in vars(proposal.question).items()
             if value and name not in ("wrt", "cotangent")}  # fmt: skip
    order = [name for name in ("loss", "both", "forward", "backward", "grads") if name in given]
    return " ".join([*(f"--{name} {given[name]}" for name in order), "of", *proposal.question.wrt])


ALONE = ("xor_number_by_number", "factors_in_loops", "gate_and_loss", "handed_to_adam", "started_elsewhere",
         "attributes_by_name")
"""Scripts of which each asks something that no other one does; most of them in their steps."""
ALWAYS = (*ALONE, "gradient_holder", "polar_inputs", "two_towers")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", dict.fromkeys([*some(ASKED, 2), *ALWAYS]))
def test_loss_gradients_and_arguments_are_found(name: str) -> None:
    assert [told(proposal) for proposal in proposed(str(PASTED / f"{name}.py"))] == ASKED[name]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", dict.fromkeys(
    [*(name for name in some((*ASKED, *FLAT, "updating_layers"), 2) if name not in SLOW), *ALWAYS]))
def test_what_is_found_is_right(name: str) -> None:
    found = list(outcomes(str(PASTED / f"{name}.py")))
    assert [outcome.report.headline.partition(":")[0] for outcome in found if outcome.report] == ["right"] * len(found)


@pytest.mark.parametrize("name", FLAT)
def test_gradients_outside_of_functions_are_found(name: str) -> None:
    wrt, taken, said = FLAT[name]
    (proposal,) = proposed(str(PASTED / f"{name}.py"))
    assert proposal.question is not None
    assert proposal.source is not None
    assert " ".join(proposal.question.wrt) == wrt
    assert proposal.notes == ((taken, said) if said else (taken,))


def test_a_backward_that_updates_is_asked_for_its_gradients() -> None:
    (proposal,) = proposed(str(PASTED / "updating_layers.py"))
    assert told(proposal) == ("--forward dense.forward(x) --backward dense.backprop(dout, learn_rate) "
                              "of x dense.weights dense.offsets")  # fmt: skip
    assert proposal.notes[0] == UPDATING


@pytest.mark.parametrize("before", [
    "y = rng.normal(size=5)  # the '#1' targets\nW = rng.normal(size=3)\n",
    "# y\ny = rng.normal(size=5)\n# W\nW = rng.normal(size=3)\n",
    "y = rng.normal(size=5)\nW = rng.normal(\n    size=3)\n",
    "y = rng.normal(size=5)\nW = rng.normal(size=3)\ndef f(x):\n    return x\n",
    "y = rng.normal(size=5)\nfor k in range(2):\n    y = y + k\nW = rng.normal(size=3)\n",
])
def test_statements_are_made_a_function_whatever_stands_before_them(before: str, tmp_path: Path) -> None:
    """A line is needed for its head: those before it say the same with one line less, and later ones stay in theirs."""
    head = "import numpy as np\nrng = np.random.default_rng(0)\nX = rng.normal(size=(5, 3))\n"
    text = f"{head}{before}e = X @ W - y\nloss = 0.5 * np.sum(e ** 2)\ndW = X.T @ e\n"
    script = tmp_path / "script.py"
    script.write_text(text, encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    assert outcome.report.headline == "right: 1 gradient"
    first = text[: text.index("e = X")].count("\n") + 1
    assert [line.line for line in outcome.report.lines if line.code.startswith("dW")] == [first + 2]


@pytest.mark.parametrize("name", [*FLAT, "updating_layers"])
def test_lines_that_stay_keep_their_numbers(name: str) -> None:
    file = PASTED / f"{name}.py"
    (proposal,) = proposed(str(file))
    assert proposal.source is not None
    lines, rewritten = file.read_text(encoding="utf-8").splitlines(), proposal.source.text.splitlines()
    kept = [n for n, (line, other) in enumerate(zip(lines, rewritten, strict=False), 1)
            if other.strip() and n not in proposal.source.added]  # fmt: skip
    assert all(rewritten[n - 1].strip() == lines[n - 1].strip() for n in kept)
    assert len(kept) >= 10
    assert 1 <= len(proposal.source.added) <= 6


MISTAKES = {
    "spiral": ("dhidden = dscores.dot(W2.T)", "dhidden = dscores.dot(W2.T) * 2"),
    "momentum": ("g2 = hidden.T @ err", "g2 = hidden.T @ out"),
    "train_function": ("dW2 = h.T @ dz", "dW2 = h.T @ p"),
    "one_step_by_hand": ("s1 = (1 - h ** 2) * (m2.T @ s2)", "s1 = (1 - h ** 2) * (m1.T @ s2)"),
    "fitted_classifier": ("dbias = np.mean(p - y)", "dbias = np.sum(p - y)"),
    "backprop_by_hand": ("dE_db2 = dE_dnet_o", "dE_db2 = dE_dout_o"),
    "updating_layers": ("d_L_d_x = np.dot(d_L_d_out, self.weights.T)",
                        "d_L_d_x = np.dot(d_L_d_out, self.weights.T) * 2"),
}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", some(MISTAKES, 2))
def test_a_mistake_in_a_loop_is_told_on_its_line_and_the_patch_fits_the_script(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right, wrong = MISTAKES[name]
    made = mistaken(name, right, wrong, tmp_path)
    (outcome,) = outcomes(made.script)
    assert outcome.report is not None
    (finding,) = [item for item in outcome.report.findings if item.line is not None]
    assert (finding.line, finding.write) == (made.line, right)
    assert main(["check", made.script, "--diff"]) == 1
    changed = [row[1:] for row in capsys.readouterr().out.splitlines() if row[:1] in "+-" and row[1:2] not in "+-"]
    indent = made.was.partition(right.split()[0])[0]
    assert changed == [indent + wrong, indent + right]


IN_STEPS = {
    "attributes_by_name": ("up * (1 - self.bent ** 2)", "up * (1 - self.bent)"),
    "lernendes_netz": ("zurueck = (fehler @ self.w.T) * (1 - self.m ** 2)",
                       "zurueck = (fehler @ self.w.T) * (1 - self.m)"),
    "parameter_objects": ("self.b.grad[...] = dz.sum(axis=0)", "self.b.grad[...] = dz.mean(axis=0)"),
    "word_rows": ("back = outer @ e", "back = outer @ p"),
    "guarded_main": ("self.biais[k] -= self.pas * delta.sum(axis=1, keepdims=True)",
                     "self.biais[k] += self.pas * delta.sum(axis=1, keepdims=True)"),
    "factory": ("X.T @ (rate - counts)", "X.T @ (rate + counts)"),
    "layers_in_lists": ("acts[k] * (1 - acts[k])", "acts[k] * (1 + acts[k])"),
    "signs_of_updates": ("second += middle.T @ out_delta", "second += middle.T @ np.abs(out_delta)"),
    "one_pass": ("self.dweights = self.inputs.T @ dvalues", "self.dweights = self.inputs.T @ np.abs(dvalues)"),
    "defined_twice": ("/ len(y) + weight * w", "/ len(y) + 2 * weight * w"),
    "row_by_row": ("change = errors * (1 - out ** 2)", "change = errors * (out ** 2 - 1)"),
    "pairs_of_words": ("back = self.columns @ e", "back = self.columns @ np.abs(e)"),
    "in_other_words": ("(cambio_b @ pesos_b.T) * (1 - oculta ** 2)", "(cambio_b @ pesos_b.T) * (1 - oculta)"),
    "left_by_loss": ("back = layer.W[:, 1:].T @ back", "back = layer.W[:, :-1].T @ back"),
    "inner_call": ("dh = (W.T @ dz) * (1 - h ** 2) * slope", "dh = (W.T @ dz) * (1 - h) * slope"),
    "filters_by_number": ("(theta.T @ dz) * (1 - flat ** 2)", "(theta.T @ dz) * (1 - flat)"),
    "label_squares": ("inner = delta @ self.w_last * a * (1 - a)", "inner = delta @ self.w_last * (1 - a)"),
    "left_beside": ("later = p[\"R\"].T @ da", "later = p[\"R\"] @ da"),
    "minimized": ("back = (B.T @ rest) * (1 - code ** 2)", "back = (B.T @ rest) * (1 - code)"),
    "sample_by_sample": ("self.b_grad = delta", "self.b_grad = delta * self.output"),
    "shuffled_batches": ("dh = (self.p[\"V\"].T @ dz) * (self.h > 0)", "dh = (self.p[\"V\"].T @ dz) * self.h"),
    "unnamed_output": ("(W[l].T@d)*(1-A[l] ** 2)", "(W[l].T@d)*(1-A[l])"),
    "xor_number_by_number": ("u[j] += rate * delta * a[j]", "u[j] += rate * miss * a[j]"),
    "factors_in_loops": ("(2 * off * before - beta * B[k, film])", "(2 * off * B[k, film] - beta * B[k, film])"),
    "gate_and_loss": ("self.dG = self.x.T @ dgate", "self.dG = self.x.T @ dlin"),
    "handed_to_adam": ("* (1 - self.h ** 2) * self.kept", "* (1 - self.h ** 2)"),
    "started_elsewhere": ("+ reg * params['W2']}", "+ 2 * reg * params['W2']}"),
    "decay_in_update": ("(1 - activations[-k - 1])", "(1 + activations[-k - 1])"),
    "rated_rows": ("Q[i] += tasa * (e * pu - lam * Q[i])", "Q[i] += tasa * (e * P[u] - lam * Q[i])"),
    "stacked_calls": ("da = (dout @ Wo.T) * (1 - q ** 2)", "da = (dout @ Wo.T) * (1 - q)"),
    "state_units": ("(deltas[0] @ self.w[1].T) * (1 - self.layers[1] ** 2)",
                    "(deltas[0] @ self.w[1].T) * (1 - self.layers[1])"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", dict.fromkeys([*some(IN_STEPS), *ALONE]))
def test_a_mistake_in_a_step_is_told_on_its_line(name: str, tmp_path: Path) -> None:
    """What a step changes and leaves is asked about though some of it is wrong."""
    right, wrong = IN_STEPS[name]
    made = mistaken(name, right, wrong, tmp_path)
    outcome, *_ = outcomes(made.script)
    assert outcome.report is not None
    (finding,) = [item for item in outcome.report.findings if item.line is not None]
    assert (finding.line, finding.write and right in finding.write) == (made.line, True)


@pytest.mark.slow
def test_a_rate_that_no_number_of_the_script_is_hides_no_factor(tmp_path: Path) -> None:
    """Momentum that averages moves weights by part of what a rate says: what is called a gradient tells more."""
    made = mistaken("attributes_by_name", "2 * off / off.size", "2 * off / len(off)", tmp_path)
    (outcome,) = outcomes(made.script)
    assert outcome.report is not None
    (finding,) = [item for item in outcome.report.findings if item.line is not None]
    assert (finding.line, finding.write) == (
        made.line, made.was.strip().replace("off.size", "len(off) / off.shape[1]"))  # fmt: skip


@pytest.mark.parametrize(("call", "made"), [
    ("minimize(cost, theta, args=(X, y), jac=True)", ["cost(theta, X, y)"]),
    ("opt.minimize(fun=net.cost, x0=net.w, args=X)", ["net.cost(net.w, X)"]),
    ("fmin_cg(cost, start, slope, (X, y))", ["cost(start, X, y)", "slope(start, X, y)"]),
    ("fmin_l_bfgs_b(cost, x0=w, fprime=slope, args=(X,))", ["cost(w, X)", "slope(w, X)"]),
    ("sgd(lambda v: cost(v, X, 2), theta, 0.1)", ["cost(theta, X, 2)"]),
    ("descend(cost, slope, w, 0.1)", ["cost(w)", "slope(w)", "cost(slope)", "w(slope)"]),  # if slope were the start
    ("lbfgs(lambda θ: evidence(θ, X), θ0)", ["evidence(θ0, X)"]), ("print(cost, theta)", []),
    ("minimize(cost)", []),
])
def test_what_a_minimizer_calls(call: str, made: list[str]) -> None:
    (node,) = (one for one in ast.walk(ast.parse(call)) if isinstance(one, ast.Call) and ast.unparse(one) == call)
    assert [ast.unparse(one) for one in calls_handed_on(node)] == made


CLOSURES = """import numpy as np

def problem(X, t):
    def cost(w):
        return 0.5 * np.sum((np.tanh(X @ w) - t) ** 2) / len(t)
    def gradient(w):
        y = np.tanh(X @ w)
        slopes = (y - t) * (1 - y)
        parts = X * slopes[:, None]
        return np.concatenate([parts.sum(axis=0) / len(t)])
    return cost, gradient

def descend(f, g, start, rate=0.1):
    for _ in range(20):
        start = start - rate * g(start)
    return start

rng = np.random.default_rng(0)
f, g = problem(rng.normal(size=(8, 3)), rng.normal(size=8))
w0 = rng.normal(size=3)
found = descend(f, g, w0)
"""


def test_functions_that_another_one_makes_are_known_by_their_own_names(tmp_path: Path) -> None:
    """The slope of tanh is another one, so that no step follows anything."""
    script = tmp_path / "script.py"
    script.write_text(CLOSURES, encoding="utf-8")
    (proposal,) = proposed(str(script))
    assert proposal.question is not None
    assert (proposal.question.loss, proposal.question.grads) == ("f(w0)", "g(w0)")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    assert [item.write for item in outcome.report.findings] == ["slopes = (y - t) * (1 - y ** 2)"]


DATA = "import numpy as np\nrng = np.random.default_rng(0)\nX, t = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))\n"
BESIDE = DATA + """W, V = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
zz = 0.1
for k in range(3):
    h = np.tanh(X @ W)
    diff = h @ V - t
    loss = 0.5 * np.sum(diff ** 2)
    dW = X.T @ (diff @ V.T * (1 - h ** 2))
    slope = h.T @ diff + 1
    W -= zz * dW
    V -= zz * slope
"""
LERNRATE = DATA + """matrix_, versatz = rng.normal(size=(3, 2)), np.zeros(2)
lernrate = 0.1
for k in range(3):
    fehler = X @ matrix_ + versatz - t
    verlust = 0.5 * np.sum(fehler ** 2)
    g_matrix = X.T @ fehler * 2
    g_versatz = fehler.sum(axis=0)
    matrix_ -= lernrate * g_matrix
    versatz -= lernrate * g_versatz
"""


def test_no_gradient_of_a_round_is_left_out_without_a_word(tmp_path: Path) -> None:
    """Both are wrong: of the one nothing says that it is a gradient, the other one has a rate in German."""
    script = tmp_path / "script.py"
    script.write_text(BESIDE, encoding="utf-8")
    (proposal,) = proposed(str(script))
    assert "not checked: V, of which no gradient was found" in proposal.notes
    script.write_text(LERNRATE, encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    assert outcome.report.headline == "wrong: matrix_ (of 2 gradients)"
    assert [item.write for item in outcome.report.findings] == ["g_matrix = X.T @ fehler"]


HUBER = """import numpy as np

def huber(pred, target, delta=0.5):
    e = pred - target
    small = np.abs(e) <= delta
    value = np.where(small, 0.5 * e ** 2, delta * (np.abs(e) - 0.5 * delta)).sum() / len(e)
    return value, np.where(small, e, delta * np.sign(e)) / len(e)

def make(rng):
    theta = {"W": rng.normal(size=(2, 4)), "V": rng.normal(size=(4, 2))}
    kept = {}
    def forward(x):
        kept["x"], kept["h"] = x, np.tanh(x @ theta["W"])
        out = kept["h"] @ theta["V"]
        return out
    def backward(dout):
        dz = dout @ theta["V"].T * (1 - kept["h"] ** 2)
        return {"V": kept["h"].T @ dout, "W": kept["x"].T @ dz}
    def apply(grad, lr):
        for name, g in grad.items():
            theta[name] -= lr * g
    return forward, backward, apply, theta

def train(forward, backward, apply, x, y):
    for epoch in range(20):
        loss, dout = huber(forward(x), y)
        apply(backward(dout), 0.1)

def data(r, n):
    return r.normal(size=(n, 2)), r.normal(size=(n, 2))

if __name__ == "__main__":
    x, y = data(np.random.default_rng(0), 30)
    fwd, bwd, app, theta = make(np.random.default_rng(1))
    train(fwd, bwd, app, x, y)
"""
ESTIMATOR = """import numpy as np

class Linear:
    def loss_and_gradients(self, X, Y):
        off = X @ self.coef_ + self.intercept_ - Y
        return 0.5 * np.sum(off ** 2), {"coef_": X.T @ off, "intercept_": off.sum()}

    def fit(self, X, Y):
        self.coef_, self.intercept_ = np.ones((X.shape[1], Y.shape[1])), Y.mean(axis=0)
        for _ in range(5):
            loss, grads = self.loss_and_gradients(X, Y)
            for name, g in grads.items():
                setattr(self, name, getattr(self, name) - 0.001 * g)
        return self

rng = np.random.default_rng(0)
Linear().fit(rng.normal(size=(9, 3)), rng.normal(size=(9, 2)))
"""
SELF_UPDATING = """import numpy as np

class Dense:
    def __init__(self, n, m):
        self.W, self.b = np.random.randn(n, m) / n, np.zeros(m)

    def forward(self, X):
        self.X = X
        return X @ self.W + self.b

    def backward(self, grad, lr):
        back = grad @ self.W.T
        self.W -= lr * self.X.T @ grad
        self.b -= lr * grad.sum(axis=0)
        return back

class Soft:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, X):
        self.out = self.alpha * np.tanh(X)
        return self.out

    def backward(self, grad, lr):
        return grad * (self.alpha - self.out ** 2)

class Net:
    def __init__(self, *layers):
        self.layers = layers

    def step(self, X, Y, lr):
        out = X
        for layer in self.layers:
            out = layer.forward(out)
        grad = 2 * (out - Y) / Y.size
        for layer in self.layers[::-1]:
            grad = layer.backward(grad, lr)
        return np.mean((out - Y) ** 2)

np.random.seed(0)
X, Y = np.random.randn(40, 3), np.random.randn(40, 2)
net = Net(Dense(3, 5), Soft(), Dense(5, 4), Soft(), Dense(4, 2))
for _ in range(50):
    net.step(X, Y, lr=0.05)
"""


@pytest.mark.slow
def test_the_gradient_of_a_loss_at_what_a_call_gives_is_asked_of_that(tmp_path: Path) -> None:
    """Not of the targets, which have the same shape; and of what is trained first."""
    script = tmp_path / "script.py"
    script.write_text(HUBER, encoding="utf-8")
    whole, loss = proposed(str(script))
    assert whole.question is not None
    assert loss.question is not None
    assert (whole.question.wrt, loss.question.wrt) == (("theta['W']", "theta['V']"), ("pred",))
    assert [one.report.headline for one in outcomes(str(script)) if one.report] == [
        "right: all 2 gradients", "right: 1 gradient"]
    script.write_text(HUBER.replace("e, delta * np.sign(e)) / len(e)", "e, delta * np.sign(e))"), encoding="utf-8")
    *_, loss = proposed(str(script))
    assert loss.question is not None
    assert loss.question.wrt == ("pred",)


def test_a_gradient_of_another_shape_is_asked_of_the_attribute_that_it_is_called_by(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(ESTIMATOR, encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    assert outcome.report.headline == "wrong: intercept_ (of 2 gradients)"
    (finding,) = outcome.report.findings
    assert finding.write is not None
    assert "off.sum(axis=0)" in finding.write


@pytest.mark.slow
def test_a_network_whose_layers_update_themselves_is_asked_as_a_whole(tmp_path: Path) -> None:
    """The rate is what the call says, not the slope of a unit that is called alpha; with a mistake in all layers but
    the last one it is asked so too.
    """
    script = tmp_path / "script.py"
    script.write_text(SELF_UPDATING, encoding="utf-8")
    (outcome, *_) = outcomes(str(script))
    assert outcome.report is not None
    assert outcome.report.headline == "right: all 6 gradients"
    assert any("over 0.05" in note for note in proposed(str(script))[0].notes)
    late = SELF_UPDATING.replace("        back = grad @ self.W.T\n", "")
    script.write_text(late.replace("return back", "return grad @ self.W.T"), encoding="utf-8")
    (outcome, *_) = outcomes(str(script))
    assert outcome.report is not None
    assert outcome.report.headline.startswith("wrong: net.layers[0].W, net.layers[0].b, net.layers[2].W")


DROPOUT = """import numpy as np

class Net:
    def __init__(self):
        self.W, self.v = np.random.randn(3, 6), np.random.randn(6, 1)

    def forward(self, X):
        self.X, self.h = X, np.tanh(X @ self.W)
        self.mask = (np.random.rand(*self.h.shape) < 0.7) / 0.7
        self.out = 1 / (1 + np.exp(-(self.h * self.mask) @ self.v))
        return self.out

    def backward(self, y):
        d = (self.out - y) / len(y)
        back = d @ self.v.T * self.mask * (1 - self.h ** 2)
        return {"v": (self.h * self.mask).T @ d, "W": self.X.T @ back}

net = Net()
X, y = np.random.randn(9, 3), (np.random.rand(9, 1) < 0.5).astype(float)
net.forward(X)
grads = net.backward(y)
"""


def test_an_output_that_draws_a_mask_is_computed_once_in_a_loss_that_nobody_wrote(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(DROPOUT, encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    assert outcome.report.headline == "right: all 2 gradients"


def test_mistakes_are_found_after_a_training_that_diverged_and_the_objects_of_the_script_stay_as_they_are() -> None:
    """Whoever asks why a loss is nan has arrays of nan: they are drawn afresh, in copies."""
    file = str(PASTED / "diverged_net.py")
    with proposing(file, "", 0) as ((proposal,), names):
        assert told(proposal) == "--both net.loss_and_grads(X, y) of net.params"
        assert proposal.notes == (
            "net.params['W'], net.params['V']: not finite when the script has run, so drawn afresh",)
        assert np.isnan(names["net"].params["W"]).all()
    (outcome,) = outcomes(file)
    assert outcome.report is not None
    assert {(item.line, item.write) for item in outcome.report.findings} == {
        (12, 'grads = {"V": h.T @ residual / len(X)}'),
        (13, 'grads["W"] = X.T @ (residual @ self.params["V"].T * (h > 0)) / len(X)'),
    }


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", ["fc_net", "layers"])
def test_an_update_of_entries_that_each_stand_once_is_written_as_one(name: str, tmp_path: Path) -> None:
    """Both ``-=`` and ``np.subtract.at`` would repair ``= 1`` there, and only one of them is what is missing."""
    text = (PASTED / f"{name}.py").read_text(encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(text.replace("y] -= 1", "y] = 1"), encoding="utf-8")
    outcome, *_ = outcomes(str(script))
    assert outcome.report is not None
    (finding,) = [item for item in outcome.report.findings if item.line is not None]
    assert finding.write is not None
    assert finding.write.endswith("y] -= 1")


def test_of_two_that_are_nearly_a_gradient_the_nearer_one_is_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("""import numpy as np
rng = np.random.default_rng(0)
x, y, w = rng.normal(size=(9, 3)), rng.normal(size=9), rng.normal(size=3)
for step in range(3):
    rest = x @ w - y
    loss = 0.5 * (rest ** 2).sum()
    almost = 1.0004 * (x.T @ rest)
    down = x.T @ rest
    w = w - 0.1 * np.sign(down)
""", encoding="utf-8")
    (proposal,) = proposed(str(script))
    assert proposal.source is not None
    assert "return loss, down" in proposal.source.text


def test_a_mistake_beside_a_bias_that_is_a_python_number_is_found() -> None:
    (outcome,) = outcomes(str(PASTED / "diverged_line.py"))
    assert outcome.report is not None
    assert [(gradient.name, gradient.verdict) for gradient in outcome.report.gradients] == [
        ("W", "wrong"), ("b", "right")]  # fmt: skip
    assert [item.write for item in outcome.report.findings] == ["dW = -2 * X.T @ (y - pred) / len(X)"]


def test_a_forward_may_be_called_anything(tmp_path: Path) -> None:
    text = (PASTED / "backward_of_targets.py").read_text(encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(text.replace("forward", "predict").replace("backward", "gradients"), encoding="utf-8")
    (proposal,) = proposed(str(script))
    (expected,) = ASKED["backward_of_targets"]
    assert told(proposal) == expected.replace("forward", "predict").replace("backward", "gradients")


@pytest.mark.parametrize(("end", "given"), [
    ("x0, y0 = data[0]\ncost(theta, x0, y0)", "theta, x0, y0"),
    ("print(cost(theta, *data[0]))", "theta, data[0][0], data[0][1]")])  # fmt: skip
def test_gradients_are_asked_for_where_the_loss_is(end: str, given: str, tmp_path: Path) -> None:
    """They are not held against a loss of other arrays: of theta, where training begins with theta0."""
    script = tmp_path / "elsewhere.py"
    script.write_text("""import numpy as np
def cost(theta, x, y):
    return np.sum((x @ theta - y) ** 2)
def dcost(theta, x, y):
    return 2 * x.T @ (x @ theta - y)
def train(theta, batches):
    for x, y in batches:
        theta = theta - 0.01 * dcost(theta, x, y)
    return theta
theta0 = np.ones((3, 2))
data = [(np.ones((4, 3)), np.ones((4, 2)))]
theta = train(theta0, data)
""" + end, encoding="utf-8")  # fmt: skip
    (proposal,) = proposed(str(script))
    assert told(proposal) == f"--loss cost({given}) --grads dcost({given}) of theta"


def test_a_wrong_gradient_is_asked_about_as_a_right_one(tmp_path: Path) -> None:
    """What is proposed does not come from what is right: one wrong line changes no question."""
    text = (PASTED / "planar_nn.py").read_text(encoding="utf-8")
    mistaken = text.replace("dW2 = (1 / m)", "dW2 = (2 / m)")
    assert mistaken != text
    script = tmp_path / "script.py"
    script.write_text(mistaken, encoding="utf-8")
    assert [told(proposal) for proposal in proposed(str(script))] == ASKED["planar_nn"]


def test_of_two_losses_the_one_that_agrees_with_differences_is_taken(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text("""import numpy as np
W, X = np.ones((3, 2)), np.arange(12.0).reshape(4, 3)
def mean_loss(W, X):
    return np.mean((X @ W) ** 2)
def total_loss(W, X):
    return np.sum((X @ W) ** 2)
def gradient(W, X):
    return 2 * X.T @ (X @ W)
""", encoding="utf-8")  # fmt: skip
    (proposal,) = proposed(str(script))
    assert told(proposal) == "--loss total_loss(W, X) --grads gradient(W, X) of W"
    assert proposal.choices == {"loss": ("mean_loss(W, X)",)}


def test_the_derivative_of_a_function_is_not_taken_for_a_gradient(tmp_path: Path) -> None:
    script = tmp_path / "slope.py"
    script.write_text("""import numpy as np
x = np.ones(3)
def loss(x, scale):
    return scale * np.sum(np.tanh(x))
def tanh_grad(x):
    return 1 - np.tanh(x) ** 2
""", encoding="utf-8")  # fmt: skip
    assert main(["check", str(script)]) == 2


def test_a_script_without_gradients_is_told_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "none.py"
    script.write_text("def area(r):\n    return 3 * r * r\n", encoding="utf-8")
    assert main(["check", str(script)]) == 2
    assert capsys.readouterr().err == (
        f"einbackprop: {script}: nothing in it was found to give gradients: say what to check by --loss and --grads, "
        "by --both, or by --forward and --backward, with --wrt; it defines 'area'\n")


def test_what_is_asked_is_said_and_can_be_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(PASTED / "two_layer_globals.py")]) == 0
    first, verdict, *_ = capsys.readouterr().out.splitlines()
    assert first == ('asked: --loss "loss(W1, b1, W2, b2)" --grads "gradients(W1, b1, W2, b2)" '
                     "--wrt W1 --wrt b1 --wrt W2 --wrt b2")
    assert verdict == "right: all 4 gradients"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "line"), [
    ("affine", "        dw[d,m] = Σ_n x[n,d] dout[n,m]"),
    ("lstm_cell", "        o[n,h] = sigmoid(a[n,2H+h])"),
    ("spiral", "        dW2[j,k] = Σ_n hidden[n,j] dscores[n,k]"),
])  # fmt: skip
def test_read_needs_no_expression(name: str, line: str) -> None:
    script = "layers" if name == "affine" else name
    assert line in str(readings(str(PASTED / f"{script}.py"))).splitlines()


def test_what_a_forward_returned_in_an_earlier_round_is_asked_of_it_again(tmp_path: Path) -> None:
    """A global ``tape`` is there when the script has run, but of weights that have been updated since."""
    text = (PASTED / "elman.py").read_text(encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(text.replace('if __name__ == "__main__":', "if True:"), encoding="utf-8")
    (proposal,) = proposed(str(script))
    assert told(proposal) == ASKED["elman"][0]


def test_gradients_that_are_left_out_are_told(tmp_path: Path) -> None:
    text = (PASTED / "mixture_line.py").read_text(encoding="utf-8").replace("d_ls", "d_q")
    script = tmp_path / "script.py"
    script.write_text(text, encoding="utf-8")
    (proposal,) = proposed(str(script))  # by what the loss rises along
    assert proposal.question is not None
    assert proposal.question.wrt == ("mu", "log_sigma", "eta")
    # else it is of what is given in its place
    text = text.replace("d_mu, d_q, d_eta", "d_q, d_mu, d_eta").replace("gm, gs, ge", "gs, gm, ge")
    script.write_text(text.replace("d_q = -", "d_q = -2 * "), encoding="utf-8")
    (proposal,) = proposed(str(script))
    assert proposal.question is not None
    assert proposal.question.wrt == ("mu", "eta")
    assert proposal.notes == ("not checked: d_q, since nothing was found to take it with respect to",)


@pytest.mark.long
@pytest.mark.parametrize(("name", "right", "wrong", "asked"), [
    ("kept_activations", "dV = dhidden @ inputs.T", "dV = inputs @ dhidden.T", ["weights"]),
    ("two_layer_globals", "dW2 = h.T @ d2", "dW2 = d2.T @ h", ["W1", "b1", "W2", "b2"]),
    ("layers", "return dx, dw, db", "return db, dw, db", ["x", "w", "b"]),
    ("mixture_line", "return d_mu, d_ls, d_eta", "return d_mu, (r * (u**2 - 1)), d_eta", ["mu", "log_sigma", "eta"]),
])  # fmt: skip
def test_a_gradient_of_a_wrong_shape_is_asked_about(
    name: str, right: str, wrong: str, asked: list[str], tmp_path: Path
) -> None:
    made = mistaken(name, right, wrong, tmp_path)
    found = [outcome.report for outcome in outcomes(made.script) if outcome.report is not None]
    (report,) = [one for one in found if not one]
    assert made.line in {item.line for item in report.findings}
    assert asked in [list(one.question.wrt) for one in proposed(made.script) if one.question]


@pytest.mark.slow
def test_functions_that_are_left_out_are_told() -> None:
    *_, last = proposed(str(PASTED / "layers.py"))
    assert last.notes[-1] == "nothing was found to check affine_relu_backward against, which may give gradients too"
    for one in proposed(str(PASTED / "minigrad_layers.py")):  # the whole network, whose gradients go through all
        assert not any("MSE.backward" in note for note in one.notes)


EXAMPLES = sorted(file for file in Path(examples.__file__).parent.glob("*.py") if not file.name.startswith("_"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_examples_ask_by_themselves_what_they_tell_to_ask(file: Path) -> None:
    command = file.read_text(encoding="utf-8").split('"""')[1].replace("\\\n", " ").split("\n\n")[1]
    told_to_ask = re.findall(r'--wrt (?:"([^"]*)"|(\S+))', command)
    wanted = [root for pair in told_to_ask for root in pair if root]
    (proposal, *_) = proposed(str(file))
    assert proposal.question is not None
    assert sorted(proposal.question.wrt) == sorted(wanted)


def test_a_backward_that_stands_alone_is_read_and_not_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first lines of the README: neither loss nor forward, and no array; rows are units here, not samples."""
    script = tmp_path / "alone.py"
    script.write_text("""import numpy as np
def backward(d3, W2, W3, h1, h2):
    d2 = np.dot(W3.T, d3) * h2 * (1 - h2)
    dW2 = np.dot(d2, h1.T)
    d1 = np.dot(W2.T, d2) * h1 * (1 - h1)
    return dW2, d1
""", encoding="utf-8")  # fmt: skip
    told = str(readings(str(script)))
    assert "(no loss and no forward was found: it can be read, not checked)" in told
    (line,) = [row for row in told.splitlines() if row.strip().startswith("dW2[")]
    assert re.fullmatch(r"dW2\[(\w),(\w)\] = Σ_(\w) d2\[\1,\3\] h1\[\2,\3\]", line.strip())
    assert main(["check", str(script)]) == 2
    assert "nothing was found to check backward against: give the loss" in capsys.readouterr().err


def test_a_number_among_gradients_is_not_taken_for_a_loss(tmp_path: Path) -> None:
    script = tmp_path / "intercept.py"
    script.write_text("""import numpy as np
X, y, w, w0 = np.ones((5, 3)), np.arange(5.0), np.ones(3), 0.5
def objective(w0, w, lam):
    return 0.5 * np.sum((w0 + X @ w - y) ** 2) + 0.5 * lam * w @ w
def gradients(w0, w, lam):
    error = w0 + X @ w - y
    return error.sum(), X.T @ error + lam * w
g0, gw = gradients(w0, w, 0.1)
print(objective(w0, w, 0.0))
""", encoding="utf-8")  # fmt: skip
    (proposal,) = proposed(str(script))
    assert proposal.question is not None
    assert not proposal.question.both
    assert (proposal.question.loss, proposal.question.grads) == ("objective(w0, w, 0.0)", "gradients(w0, w, 0.0)")


def test_halves_may_be_called_in_short(tmp_path: Path) -> None:
    text = (PASTED / "attention_head.py").read_text(encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(text.replace("_forward", "_fwd").replace("_backward", "_bwd"), encoding="utf-8")
    (proposal,) = proposed(str(script))
    (expected,) = ASKED["attention_head"]
    assert told(proposal) == expected.replace("_forward", "_fwd").replace("_backward", "_bwd")


def test_a_loss_that_is_written_is_meant_though_its_gradients_have_another_factor(tmp_path: Path) -> None:
    """Twice the gradients of ``loss`` are those of a usual loss, twice as large: but the script has another."""
    text = (PASTED / "backward_of_targets.py").read_text(encoding="utf-8")
    text += "\n\ndef loss(out, targets):\n    return np.sum((out - targets) ** 2) / len(targets)\n\n\n"
    script = tmp_path / "script.py"
    script.write_text(text + "print(loss(net.forward(X), targets))\n", encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    assert outcome.report.headline == "wrong: weights2, weights1 (of 2 gradients)"
    (proposal,) = proposed(str(script))
    assert proposal.question is not None
    assert proposal.question.loss == "loss(net.forward(X), targets)"


@pytest.mark.long
def test_a_question_that_nobody_asked_and_that_no_edit_answers_is_doubted(tmp_path: Path) -> None:
    """Another loss may be meant; asked by options the same is wrong."""
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\nrng = np.random.default_rng(0)\nW, X = rng.normal(size=(4, 3)), rng.normal(size=(6, 4))\n"
        "def loss(W, X):\n    return np.sum(np.tanh(np.cumsum(X @ W, axis=0)))\n"
        "def gradient(W, X):\n    table = np.sort(np.exp(W[::-1]) ** 1.7, axis=0)\n"
        "    return np.cumsum(table, axis=1) + np.log(table)\n", encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    (found,) = outcome.report.gradients
    assert found.verdict == "undecided"
    assert "what was asked may not be what is meant; options such as --loss say it" in found.note
    assert not [item for item in outcome.report.findings if item.line]
    asked = answer(str(script), Question(("W",), loss="loss(W, X)", grads="gradient(W, X)"))
    assert [item.verdict for item in asked.gradients] == ["wrong"]


def test_a_generator_gives_no_round(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\nw = np.ones(3)\ndef batches(x, w):\n    for row in x:\n        w -= 0.1 * row\n"
        "        yield row\nfor row in batches(np.eye(3), w):\n    w -= 0.01 * (w - row)\n", encoding="utf-8")
    with pytest.raises(NothingError, match="nothing in it was found to give gradients"):
        proposed(str(script))


def test_a_layer_is_asked_of_what_its_forward_reads(tmp_path: Path) -> None:
    """Not of another array that has the shape of what its backward returns: a later bias, or the input that it kept."""
    script = tmp_path / "layers.py"
    script.write_text(
        "import numpy as np\n\n\nclass Linear:\n    def __init__(self, m, n):\n"
        "        self.b, self.W = np.zeros((n, 1)), np.random.randn(m, n)\n\n"
        "    def forward(self, A):\n        self.A = A\n        return self.W.T @ A + self.b\n\n"
        "    def backward(self, dZ):\n        self.dW, self.db = self.A @ dZ.T, dZ.sum(axis=1, keepdims=True)\n"
        "        return self.W @ dZ\n\n\nclass Net:\n    def __init__(self):\n"
        "        self.layers = [Linear(2, 3), Linear(3, 2)]\n\n    def predict(self, A):\n"
        "        for layer in self.layers:\n            A = layer.forward(A)\n        return A\n\n\n"
        "net, x = Net(), np.random.randn(2, 4)\nnet.predict(x[:, :1])\n",
        encoding="utf-8")
    asked = [proposal.question for proposal in proposed(str(script))]
    assert [sorted(one.wrt) for one in asked if one] == [["net.layers[0].W", "net.layers[0].b"]]
    assert [outcome.report.ok for outcome in outcomes(str(script)) if outcome.report] == [True]


@pytest.mark.long
def test_what_is_said_of_a_penalty_that_updates_have_and_gradients_have_not(tmp_path: Path) -> None:
    (outcome,) = outcomes(str(PASTED / "decay_in_update.py"))
    assert outcome.report is not None
    assert any("but of net.cost(x, y) - 0.5 * lam * ((net.w[0] ** 2).sum()" in item.message
               for item in outcome.report.findings)  # fmt: skip
    without = mistaken("decay_in_update", "(1 - eta * lam) * w - eta", "w - eta", tmp_path)  # then it is a mistake
    (outcome,) = outcomes(without.script)
    assert outcome.report is not None
    assert outcome.report.headline.startswith("wrong: net.w[0], net.w[1]")


@pytest.mark.slow
def test_gradients_that_stand_the_wrong_way_round_are_wrong_where_the_script_descends(tmp_path: Path) -> None:
    text = (PASTED / "decay_in_update.py").read_text(encoding="utf-8")
    first, last = text.index("    def cost("), text.index("    def backprop(")
    text = (text[:first] + text[last:]).replace("(activations[-1] - y)", "(y - activations[-1])")
    text = text.replace("(1 - eta * lam) * w", "w")
    script = tmp_path / "ascends.py"
    script.write_text(text.replace("- eta", "+ eta"), encoding="utf-8")
    (outcome,) = outcomes(str(script))  # of a step
    assert outcome.report
    script = tmp_path / "descends.py"
    script.write_text(text[: text.index("np.random.seed")].replace("def update", "def _update"), encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    assert outcome.report.headline.startswith("wrong")
    (finding,) = [item for item in outcome.report.findings if item.line]
    assert "(activations[-1] - y)" in str(finding.write)


@pytest.mark.slow
def test_a_gradient_in_a_dict_under_the_name_of_its_weights_is_asked_about_in_a_wrong_shape(tmp_path: Path) -> None:
    made = mistaken("started_elsewhere", "dh.sum(axis=0)", "dh.sum()", tmp_path)
    (outcome,) = outcomes(made.script)
    assert outcome.report is not None
    assert outcome.report.headline.startswith("wrong: beta")
    assert [item.write for item in outcome.report.findings if item.line == made.line] == [
        "grads['beta'] = dh.sum(axis=0)"]


@pytest.mark.slow
def test_a_statement_that_adds_to_an_array_is_mended_in_its_shape(tmp_path: Path) -> None:
    made = mistaken("parameter_objects", "self.w.grad[...] = self.x.T @ dz", "self.w.grad += dz.T @ self.x", tmp_path)
    assert [told(one) for one in proposed(made.script)]


def test_scores_have_an_entry_for_each_class(tmp_path: Path) -> None:
    script = tmp_path / "scores.py"
    script.write_text('''
import numpy as np


class SoftmaxLoss:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.log(self.p[np.arange(len(t)), t]).mean()

    def backward(self):
        d = self.p.copy()
        d[np.arange(len(self.t)), self.t] -= 1
        return d / len(self.t)
''', encoding="utf-8")
    (found,) = outcomes(str(script))
    assert found.report, str(found.report)
    assert "x = np.random.randn(s, n); t = np.random.randint(n, size=s)" in found.title  # labels are one of n columns


def test_a_list_of_gradients_is_that_of_a_loss_where_one_of_them_is_a_multiple() -> None:
    names: dict[str, Any] = {"np": np, "W": [np.ones((2, 3)), np.arange(4.0)]}
    search = FunctionSearch(script_of(parse_python("")), names, Trials(names), "")
    loss = Term("sum(np.sum(one ** 2) for one in W)")
    assert search.is_multiple(loss, Term("[np.cos(W[0] + np.arange(3)), 4 * W[1]]"), ["W"])
    assert not search.is_multiple(loss, Term("[np.cos(W[0] + np.arange(3)), np.exp(W[1])]"), ["W"])


def test_what_a_comprehension_calls_is_given_what_it_goes_through_first(tmp_path: Path) -> None:
    script = tmp_path / "comprehension.py"
    script.write_text('''
import numpy as np

rng = np.random.default_rng(0)
W = rng.normal(size=(3, 2))


def train(row, goal):
    global W
    off = row @ W - goal
    W = W - 0.1 * np.outer(row, off)
    return 0.5 * np.sum(off ** 2)


rows, goals = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
for epoch in range(2):
    print(np.mean([train(row, goal) for row, goal in zip(rows, goals)]))
''', encoding="utf-8")
    (found,) = outcomes(str(script))
    assert "train(next(iter(rows)), next(iter(goals)))" in found.title
    assert found.report is not None
    assert [(item.name, item.verdict) for item in found.report.gradients] == [("W", "right")]


WITH_A_CALL = '''
import numpy as np


def predict(p, X):
    return np.tanh(X @ p["W"]) @ p["V"]


def loss(p, X, y):
    return np.mean((predict(p, X) - y) ** 2)


def gradient(p, X, y):
    h = np.tanh(X @ p["W"])
    d = 2 * (h @ p["V"] - y) / y.size
    return {"W": X.T @ ((d @ p["V"].T) * (1 - h ** 2)), "V": h.T @ d}


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    p = {"W": rng.normal(size=(3, 4)), "V": rng.normal(size=(4, 1))}
    X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    for i in range(3):
        rows = rng.permutation(20)[:8]
        g = gradient(p, X[rows], y[rows])
        for k in p:
            p[k] = p[k] - 0.1 * g[k]
        print(loss(p, X, y))
'''
OF_AN_OBJECT = '''
import numpy as np


class Logistic:
    def __init__(self, lam=0.1):
        self.lam, self.w, self.b = lam, None, None

    def _p(self, X):
        return 1 / (1 + np.exp(-(X @ self.w + self.b)))

    def _cost(self, X, y):
        p = np.clip(self._p(X), 1e-15, 1 - 1e-15)
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)) + self.lam / 2 * np.sum(self.w ** 2)

    def _slopes(self, X, y):
        d = self._p(X) - y
        return X.T @ d / len(y) + self.lam * self.w, np.sum(d) / len(y)

    def fit(self, X, y):
        self.w, self.b = np.zeros(X.shape[1]), 0
        for i in range(4):
            dw, db = self._slopes(X, y)
            self.w -= 0.5 * dw
            self.b -= 0.5 * db
            print(self._cost(X, y))


if __name__ == "__main__":
    rng = np.random.RandomState(3)
    X = rng.randn(30, 4)
    first = Logistic()
    first.fit(X, (X[:, 0] > 0).astype(int))
'''
BY_GLOBALS = '''
import numpy as np

np.random.seed(2)
x = np.random.randn(24, 3)
train_y = np.sin(x.sum(axis=1, keepdims=True))
u, v = np.random.randn(3, 5), np.random.randn(5, 1)


def absolute(pred, target):
    return np.mean(np.sqrt(1 + (pred - target) ** 2))


def absolute_grad(pred, target):
    e = pred - target
    return e / np.sqrt(1 + e ** 2) / len(e)


def forward(x):
    global a
    a = np.tanh(x @ u)
    return a @ v


def backward(x, pred, target):
    global gu, gv
    d = absolute_grad(pred, target)
    gv = a.T @ d
    gu = x.T @ ((d @ v.T) * (1 - a ** 2))


for epoch in range(3):
    backward(x, forward(x), train_y)
    u, v = u - 0.1 * gu, v - 0.1 * gv
    print(absolute(forward(x), train_y))
'''


@pytest.mark.parametrize(("text", "wrt"), [
    (WITH_A_CALL, "p"), (OF_AN_OBJECT, "self.w self.b"), (BY_GLOBALS, "u v")], ids=["call", "object", "globals"])
def test_what_is_asked_is_what_is_trained(text: str, wrt: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(text, encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report, outcome.report
    (proposal,) = proposed(str(script))
    assert told(proposal).rpartition(" of ")[2] == wrt


def test_of_a_dict_of_gradients_one_that_is_right_is_enough(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(WITH_A_CALL.replace("(1 - h ** 2)", "(1 - h)"), encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    assert outcome.report.headline.startswith("wrong: W (of 2")
    assert "(1 - h ** 2)" in str(outcome.report.findings[-1].write)


def test_a_reading_has_no_line_of_ours() -> None:
    shown = str(readings(str(PASTED / "delta_rule.py")))
    assert "delta = error * out * (1 - out)" in shown
    assert "return" not in shown


BOUND = """
import numpy as np

rng = np.random.default_rng(1)
X, y = rng.normal(size=(20, 3)), rng.normal(size=20)


def problem(X, y, weight):
    def cost(b):
        return 0.5 * np.mean((X @ b - y) ** 2) + 0.5 * weight * b @ b

    def slope(b):
        return X.T @ (X @ b - y) / len(y) + weight * b

    return cost, slope


cost, slope = problem(X, y, 0.1)
J = lambda w: np.mean(np.abs(X @ w - y) ** 3)
dJ = lambda w: 3 * X.T @ ((X @ w - y) * np.abs(X @ w - y)) / len(y)
b, w = np.ones(3), np.ones(3)
for _ in range(3):
    b, w = b - 0.1 * slope(b), w - 0.1 * dJ(w)
"""


def test_functions_may_be_lambdas_and_those_that_others_return(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(BOUND, encoding="utf-8")
    assert {told(one) for one in proposed(str(script))} == {
        "--loss J(w) --grads dJ(w) of w", "--loss cost(b) --grads slope(b) of b"}  # fmt: skip


def test_what_makes_the_gradients_of_updates_is_known_whatever_the_rate_is_called() -> None:
    text = "tasa = 0.1\ng = propagar(x)\nfor k in p:\n    p[k] -= tasa * g[k]\nr += tasa * q(r)\np[k] -= tasa * p[k]"
    assert script_of(parse_python(text)).updating == {"propagar"}


ADAGRAD = """
import numpy as np

rng = np.random.default_rng(3)
X, T = rng.normal(size=(30, 4)), rng.normal(size=(30, 2))
first, shift, second = rng.normal(size=(4, 6)), rng.normal(size=6), rng.normal(size=(6, 2))
trained = [first, shift, second]
squares = [np.zeros_like(one) for one in trained]
for epoch in range(3):
    h = np.tanh(X @ first + shift)
    off = h @ second - T
    loss = np.sum(off ** 2) / len(X)
    back = 2 * off / len(X)
    inner = (back @ second.T) * (1 - h ** 2)
    slopes = [X.T @ inner, inner.sum(axis=0), h.T @ back]
    for one, d, s in zip(trained, slopes, squares):
        d = np.clip(d, -5, 5)
        s += d * d
        one -= 0.05 * d / np.sqrt(s + 1e-8)
    print(loss)
"""


@pytest.mark.long
def test_the_wrong_one_of_a_list_of_gradients_is_asked_about_too(tmp_path: Path) -> None:
    """The step of Adagrad says nothing of it, and its place in the list is the one that is left for its shape."""
    script = tmp_path / "script.py"
    script.write_text(ADAGRAD.replace("inner.sum(axis=0)", "back.sum() * inner.sum(axis=0)"), encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    assert outcome.report.headline == "wrong: shift (of 3 gradients)"


TOGETHER = """
import numpy as np

rng = np.random.default_rng(4)
X, y = rng.normal(size=(12, 3)), rng.normal(size=12)
w, b = rng.normal(size=3), rng.normal(size=())


def cost_and_slopes(w, b, reg):
    off = X @ w + b - y
    cost = np.mean(off ** 2) + reg * np.sum(w ** 2)
    dw, db = 2 * X.T @ off / len(y) + 2 * reg * w, 2 * np.mean(off)
    return dw, db, cost
"""


@pytest.mark.parametrize(("right", "wrong", "is_likely"), [
    ("", "", True), ("return dw, db, cost", "return cost, np.mean(off > 0), dw, db", True),
    ("2 * X.T @ off", "2 * X.T @ np.abs(off)", False)])  # of one number, as b is, nobody can tell
def test_a_question_is_asked_whether_or_not_its_gradients_agree(
    right: str, wrong: str, is_likely: bool, tmp_path: Path
) -> None:
    """The loss may stand anywhere; a number that is made, as the penalty here, fits to all that the script has."""
    script = tmp_path / "script.py"
    script.write_text(TOGETHER.replace(right, wrong), encoding="utf-8")
    (proposal,) = proposed(str(script))
    assert told(proposal) == "--both cost_and_slopes(w, b, reg) of w b"
    assert proposal.is_likely is is_likely


JOINED = """
import numpy as np

rng = np.random.default_rng(4)
X, y = rng.normal(size=(12, 3)), rng.normal(size=12)


def parts(theta):
    return theta[:3], theta[3]


def fit(theta, X, y):
    w, b = parts(theta)
    off = X @ w + b - y
    J = np.mean(off ** 2)
    dw, db = 2 * X.T @ off / len(y), 2 * np.mean(off)
    return J, np.concatenate([dw.ravel(), [db]])


if __name__ == "__main__":
    theta, speed = rng.normal(size=4), np.zeros(4)
    for step in range(20):
        J, g = fit(theta, X, y)
        speed = 0.9 * speed - 0.1 * g
        theta = theta + speed
"""


@pytest.mark.parametrize("error", [("", ""), ("X.T @ off", "X.T @ np.abs(off)")])
@pytest.mark.parametrize(("right", "other"), [
    ("", ""), ("np.concatenate([dw.ravel(), [db]])", "np.append(dw, db)"), ("np.concatenate(", "np.hstack("),
    ("    return J, np.concatenate([dw.ravel(), [db]])", "    g = np.concatenate([dw.ravel(), [db]])\n    return J, g"),
    ("J, g = fit(theta, X, y)\n", "both = fit(theta, X, y)\n        g = both[1]\n"),  # no name says what it is there
    ("fit(theta, X, y)\n        ", "fit(theta + 0.9 * speed, X, y)\n        ")])
def test_a_vector_of_all_gradients_is_asked_about_whether_or_not_it_agrees(
    right: str, other: str, error: tuple[str, str], tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(JOINED.replace(right, other).replace(*error), encoding="utf-8")
    (proposal,) = proposed(str(script))
    asked = told(proposal).replace("fit(theta + 0.9 * speed,", "fit(theta,")  # where that agrees it is as good
    assert asked == "--both fit(theta, X, y) of theta"


def test_keys_that_are_no_names_are_gradients_too() -> None:
    script = script_of(parse_python("def f(W, b): return W + b"))
    names = ("dL/dW", "∂W", "np.append(dW, db)", "np.append(dW, loss)", "W / b")
    assert [script.is_gradient(name) for name in names] == [True, True, True, False, False]


SCORED = """
import numpy as np

rng = np.random.default_rng(5)
scores = rng.normal(size=(40, 12))  # more classes than the labels that are made


def softmax_loss(scores, y):
    p = np.exp(scores)
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(len(y)), y]))
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    return loss, d / len(y)


def told(labels):
    loss, dscores = softmax_loss(scores, labels)
    print(loss)


def energy(W, X):
    return 0.5 * np.sum((X @ W) ** 2)


def energy_grad(W, X):
    return X.T @ (X @ W)


W, X = rng.normal(size=(3, 2)), rng.normal(size=(8, 3))
"""


def test_labels_that_are_made_for_other_samples_accuse_nobody(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCORED, encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    assert outcome.report.headline == "right: 1 gradient"


BATCHES = """
import numpy as np

rng = np.random.default_rng(6)
X, Y = rng.normal(size=(60, 4)), rng.normal(size=(60, 2))
P = {"W": rng.normal(size=(4, 2))}
W = rng.normal(size=(4, 2))
for k in range(5):
    idx = rng.permutation(60)[:10]
    xb, yb = X[idx], Y[idx]
    off = xb @ W - yb
    loss = np.mean(off ** 2)
    dOut = 2 * off / off.size
    dX = dOut @ W.T
    dW = xb.T @ dOut
    W -= 0.1 * dW
"""


def test_data_of_other_samples_than_their_gradient_are_not_asked_about(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(BATCHES, encoding="utf-8")
    (proposal,) = proposed(str(script))
    assert told(proposal).rpartition(" of ")[2] == "W"


@pytest.mark.long
def test_a_round_begins_after_what_skips_it(tmp_path: Path) -> None:
    """The first round of ``for j in range(3): if j == 0: continue`` does nothing."""
    script = tmp_path / "script.py"
    script.write_text("""import numpy as np
rng = np.random.default_rng(0)
W, X, T = rng.normal(size=(3, 2)), rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
for epoch in range(3):
    for j in range(4):
        if j == epoch:
            continue
        out = np.tanh(X[j] @ W)
        loss = 0.5 * np.sum((out - T[j]) ** 2)
        d = (out - T[j]) * (1 - out ** 2)
        W -= 0.1 * np.outer(X[j], d)
""", encoding="utf-8")
    (found,) = outcomes(str(script))
    assert found.report is not None
    assert found.report.ok, str(found.report)


THROUGH_TIME = """import numpy as np
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(5, 6, 2)), rng.normal(size=(5, 6, 1))
W, U, V = rng.normal(size=(2, 4)), 0.5 * rng.normal(size=(4, 4)), rng.normal(size=(4, 1))
params = [W, U, V]
for it in range(3):
    hs, loss = {-1: np.zeros((6, 4))}, 0
    for t in range(5):
        hs[t] = np.tanh(X[t] @ W + hs[t - 1] @ U)
        loss += 0.5 * np.sum((hs[t] @ V - Y[t]) ** 2)
    dW, dU, dV = [np.zeros_like(p) for p in params]
    dhnext = np.zeros((6, 4))
    for t in reversed(range(5)):
        dy = hs[t] @ V - Y[t]
        dV += hs[t].T @ dy
        dz = (dy @ V.T + dhnext) * (1 - hs[t] ** 2)
        dW += X[t].T @ dz
        dU += hs[t - 1].T @ dz
        dhnext = dz @ U.T
    for p, g in zip(params, [dW, dU, dV]):
        p -= 0.01 * g
"""
REMEMBERED = """import numpy as np


def made(rng):
    theta, memo = [rng.normal(size=(3, 4)), rng.normal(size=(4, 2))], {}

    def predict(x):
        memo["x"], memo["h"] = x, np.tanh(x @ theta[0])
        return memo["h"] @ theta[1]

    def nll(x, y):
        memo["e"] = predict(x) - y
        return 0.5 * (memo["e"] ** 2).sum()

    def grads():
        d = memo["e"] @ theta[1].T * (1 - memo["h"] ** 2)
        return [memo["x"].T @ d, memo["h"].T @ memo["e"]]

    return predict, nll, grads, theta


rng = np.random.default_rng(0)
x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
predict, nll, grads, theta = made(rng)
for it in range(4):
    for i, g in enumerate((nll(x, y), grads())[1]):
        theta[i] -= 0.01 * g
print(predict(np.ones((1, 3))))
"""


@pytest.mark.long
@pytest.mark.parametrize("text", [THROUGH_TIME, REMEMBERED], ids=["added to in a loop", "what the loss leaves"])
def test_all_gradients_are_asked_of(text: str, tmp_path: Path) -> None:
    """Gradients that begin as zeros in one line, and those that read what the loss of the same data leaves."""
    script = tmp_path / "script.py"
    script.write_text(text, encoding="utf-8")
    (found,) = outcomes(str(script))
    assert found.report is not None
    assert found.report.ok, f"{found.title}\n{found.report}"
    assert len(found.report.gradients) == (3 if text is THROUGH_TIME else 2)


def asked_of(text: str, folder: Path) -> Any:
    """What a script asks first, with its answer."""
    script = folder / "script.py"
    script.write_text(text, encoding="utf-8")
    found = next(outcomes(str(script)))
    assert found.report is not None
    return found


RECURRENT = """import numpy as np
rng = np.random.default_rng(0)
W, U, V = rng.normal(size=(4, 3)), 0.5 * rng.normal(size=(4, 4)), rng.normal(size=(2, 4))


def pass_both_ways(xs, ys, h0):
    hs, total = {-1: h0}, 0.0
    for t in range(len(xs)):
        hs[t] = np.tanh(W @ xs[t] + U @ hs[t - 1])
        total += 0.5 * np.sum((V @ hs[t] - ys[t]) ** 2)
    dW, dU, dV = np.zeros_like(W), np.zeros_like(U), np.zeros_like(V)
    dnext = np.zeros(4)
    for t in reversed(range(len(xs))):
        dy = V @ hs[t] - ys[t]
        dV += np.outer(dy, hs[t])
        da = (V.T @ dy + dnext) * (1 - hs[t] ** 2)
        dW += np.outer(da, xs[t])
        dU += np.outer(da, hs[t - 1])
        dnext = U.T @ da
    return total, (dW, dU, dV), hs[len(xs) - 1]


xs, ys, h0 = rng.normal(size=(4, 3)), rng.normal(size=(4, 2)), np.zeros(4)
for it in range(3):
    loss, grads, h0 = pass_both_ways(xs, ys, h0)
    for weight, slope in zip((W, U, V), grads):
        weight -= 0.01 * slope
"""


@pytest.mark.long
def test_gradients_in_a_tuple_beside_others_are_all_asked_of(tmp_path: Path) -> None:
    """That those of W and U are wrong is no reason to ask of V alone."""
    assert asked_of(RECURRENT, tmp_path).report.ok
    wrong = asked_of(RECURRENT.replace("dnext = U.T @ da", "dnext = U @ da"), tmp_path).report
    assert {one.name for one in wrong.gradients} == {"W", "U", "V"}
    assert [one.name for one in wrong.gradients if one.verdict == "wrong"] == ["W", "U"]


def test_what_is_left_beside_gradients_is_told() -> None:
    values = {"found[1][0]": np.ones(3), "found[1][1]": np.ones(3), "found[2]": np.ones(3), "net.d": np.ones(3)}
    step = Step(Term("f(x)"), {}, lambda setup, moves, text: [*values.values()], dict.fromkeys(values, "x"))
    held = Descent(Measure("loss", ("loss",)), (), 0, 0.0, {"W": "found[1][1]"})
    assert step.beside(held) == ["found[1][0]"]
    said = said_of(held, "1", "f(x)", step.beside(held))
    assert said == ["not checked: found[1][0] of what f(x) gives, of which it is not known what they are gradients of"]


ADJOINT = """import numpy as np


def motion(p, steps=5):
    xs = [np.array([1.0, 0.5])]
    for _ in range(steps):
        xs.append(xs[-1] + 0.1 * (p['A'] @ xs[-1] + p['c']))
    return xs


def action(p, seen):
    xs = motion(p)
    r = xs[-1] - seen
    return 0.5 * np.sum(r ** 2), (xs, r)


def adjoint(p, tape):
    xs, r = tape
    δ = {k: np.zeros_like(v) for k, v in p.items()}
    λ = r
    for x in xs[-2::-1]:
        δ['A'] += 0.1 * np.outer(λ, x)
        δ['c'] += 0.1 * λ
        λ = λ + 0.1 * p['A'].T @ λ
    return δ


def descend(p, seen):
    for n in range(4):
        S, tape = action(p, seen)
        δ = adjoint(p, tape)
        p = {k: p[k] - 0.1 * δ[k] for k in p}
    return p


rng = np.random.default_rng(0)
start = dict(A=rng.normal(size=(2, 2)), c=rng.normal(size=2))
print(descend(start, np.array([0.3, -0.2])))
"""
OF_SCORES = """import numpy as np


class Net:
    def __init__(self):
        rng = np.random.default_rng(0)
        self.weights = {"W": rng.normal(size=(3, 4)), "V": rng.normal(size=(4, 2))}

    def think(self, x):
        frame = {"x": x, "h": np.tanh(x @ self.weights["W"])}
        frame["y"] = frame["h"] @ self.weights["V"]
        return frame

    def score(self, frame, wanted):
        frame["off"] = frame["y"] - wanted
        return 0.5 * np.sum(frame["off"] ** 2) / len(wanted)

    def blame(self, frame):
        d = frame["off"] / len(frame["off"])
        grads = {"V": frame["h"].T @ d}
        grads["W"] = frame["x"].T @ (d @ self.weights["V"].T * (1 - frame["h"] ** 2))
        return grads

    def learn(self, grads):
        for name, g in grads.items():
            self.weights[name] -= 0.1 * g


def main():
    rng, net = np.random.default_rng(1), Net()
    for tick in range(5):
        x, wanted = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
        frame = net.think(x)
        pain = net.score(frame, wanted)
        net.learn(net.blame(frame))
    print(pain)


if __name__ == "__main__":
    main()
"""
OF_OUTPUT = """import numpy as np


class Coder:
    def __init__(self):
        self.rng = np.random.RandomState(0)
        self.W, self.V = self.rng.randn(4, 3), self.rng.randn(3, 4)

    def forward(self, x, noise):
        self.noise = noise
        self.h = np.tanh(x @ self.W) + noise
        self.out = self.h @ self.V
        return self.out

    def loss(self, x, out):
        return np.sum((self.out - x) ** 2) / len(x), len(x)

    def backward(self, x, out):
        d = 2 * (out - x) / len(x)
        return {"V": self.h.T @ d, "W": x.T @ (d @ self.V.T * (1 - (self.h - self.noise) ** 2))}

    def step(self, grads):
        self.W -= 0.01 * grads["W"]
        self.V -= 0.01 * grads["V"]


if __name__ == "__main__":
    X, coder = np.random.RandomState(1).randn(12, 4), Coder()
    for epoch in range(2):
        order = coder.rng.permutation(len(X))
        for i in range(0, len(X), 6):
            batch = X[order[i:i + 6]]
            out = coder.forward(batch, 0.1 * coder.rng.randn(len(batch), 3))
            print(coder.loss(batch, out))
            coder.step(coder.backward(batch, out))
"""
LIKELIHOOD = """import numpy as np


def unpack(x):
    return x[:2], np.exp(x[2])


def nll(x, data, want_grad=True):
    m, s = unpack(x)
    z = (data - m) / s
    L = np.mean(np.sum(0.5 * z ** 2, axis=1) + 2 * np.log(s))
    if not want_grad:
        return L
    g = np.concatenate([-np.mean(z, axis=0) / s, [2 - np.mean(np.sum(z ** 2, axis=1))]])
    return L, g


def descend(fg, x):
    for it in range(5):
        fx, g = fg(x)
        x = x - 0.1 * g
    return x


data = np.random.default_rng(0).normal(size=(8, 2))
x0 = np.array([0.2, -0.1, 0.3])
print(descend(lambda z: nll(z, data), x0))
"""
ADVANTAGE = """import numpy as np


def make_agent(rng):
    theta = {"W": rng.normal(size=(3, 4)), "P": rng.normal(size=(4, 2)), "v": rng.normal(size=4)}

    def forward(x):
        h = np.tanh(x @ theta["W"])
        scores = h @ theta["P"]
        return h, scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)), h @ theta["v"]

    def baseline(x):
        return forward(x)[2]

    def loss_and_grad(x, acts, returns, adv):  # adv is a constant
        n, (h, logp, values) = len(acts), forward(x)
        rows = np.arange(n)
        loss = -(adv * logp[rows, acts]).mean() + 0.5 * ((values - returns) ** 2).mean()
        d = np.exp(logp)
        d[rows, acts] -= 1
        d, dv = adv[:, None] * d / n, (values - returns) / n
        dh = (d @ theta["P"].T + np.outer(dv, theta["v"])) * (1 - h ** 2)
        return loss, {"W": x.T @ dh, "P": h.T @ d, "v": h.T @ dv}

    return theta, baseline, loss_and_grad


def main():
    rng = np.random.default_rng(0)
    theta, baseline, loss_and_grad = make_agent(rng)
    for update in range(3):
        x, acts, returns = rng.normal(size=(6, 3)), rng.integers(0, 2, 6), rng.normal(size=6)
        adv = returns - baseline(x)
        loss, grad = loss_and_grad(x, acts, returns, adv)
        for name in theta:
            theta[name] -= 0.1 * grad[name]
    print(loss)


if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "mistake", "wrong"),
    [
        (ADJOINT, ("λ = λ + 0.1 * p['A'].T @ λ", "λ = λ + 0.1 * p['A'] @ λ"), 2),
        (OF_SCORES, ('frame["x"].T @ (d', '-frame["x"].T @ (d'), 1),
        (OF_OUTPUT, ("2 * (out - x)", "(out - x)"), 2),
        (LIKELIHOOD, ("[2 - np.mean", "[1 - np.mean"), 1),
        (ADVANTAGE, ("d @ theta[\"P\"].T + ", ""), 1),
    ],
    ids=["adjoint", "a frame of before", "an output of before", "L, g", "a constant advantage"],
)
def test_the_question_is_of_what_is_trained_where_it_is(
    text: str, mistake: tuple[str, str], wrong: int, tmp_path: Path
) -> None:
    """No argument is what an earlier run has left, and none depends on what is trained that the code takes for a
    constant."""
    found = asked_of(text, tmp_path)
    assert found.report.ok, f"{found.title}\n{found.report}"
    assert text.count(mistake[0]) == 1
    report = asked_of(text.replace(*mistake), tmp_path).report
    assert len(report.gradients) == len(found.report.gradients)
    assert [one.verdict for one in report.gradients].count("wrong") == wrong, str(report)


BLOCK = """import numpy as np


def weights(rng):
    return dict(E=rng.normal(size=(5, 4)), W=rng.normal(size=(4, 4)), V=rng.normal(size=(4, 5)))


def batch(seed=1):
    x = np.random.default_rng(seed).integers(0, 5, (3, 6))
    return x, (x + 1) % 5


def loss_and_grads(p, x, y):
    e = p["E"][x]
    h = e + np.tanh(e @ p["W"])
    z = h @ p["V"]
    q = np.exp(z - z.max(-1, keepdims=True))
    q /= q.sum(-1, keepdims=True)
    rows, times = np.ogrid[:x.shape[0], :x.shape[1]]
    loss = -np.log(q[rows, times, y]).mean()
    g = {}
    dz = q.copy()
    dz[rows, times, y] -= 1
    dz /= x.size
    g["V"] = np.einsum("ntk,ntv->kv", h, dz)
    dh = dz @ p["V"].T
    da = dh * (1 - np.tanh(e @ p["W"]) ** 2)
    g["W"] = np.einsum("ntj,ntk->jk", e, da)
    de = da @ p["W"].T
    de += dh
    g["E"] = np.zeros_like(p["E"])
    np.add.at(g["E"], x, de)
    return loss, g
"""

LISTED = """import numpy as np
rng = np.random.default_rng(0)


class Layer:
    def __init__(self):
        self.params, self.grads = {}, {}

    def __call__(self, x):
        return self.forward(x)


class Linear(Layer):
    def __init__(self, n, m):
        super().__init__()
        self.params["W"], self.params["b"] = rng.normal(0, 0.5, (n, m)), np.zeros(m)

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"], self.grads["b"] = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.params["W"].T


class Norm(Layer):
    def __init__(self, n):
        super().__init__()
        self.params["gamma"] = np.ones(n)

    def forward(self, x):
        self.std = 1.0 / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        self.xhat = (x - x.mean(axis=-1, keepdims=True)) * self.std
        return self.params["gamma"] * self.xhat

    def backward(self, dout):
        self.grads["gamma"] = (dout * self.xhat).sum(axis=0)
        d = dout * self.params["gamma"]
        m1 = d.mean(axis=-1, keepdims=True)
        m2 = (d * self.xhat).mean(axis=-1, keepdims=True)
        return self.std * (d - m1 - self.xhat * m2)


class Residual(Layer):
    def __init__(self, *layers):
        super().__init__()
        self.layers = list(layers)

    def forward(self, x):
        h = x
        for layer in self.layers:
            h = layer(h)
        return x + h

    def backward(self, dout):
        d = dout
        for layer in reversed(self.layers):
            d = layer.backward(d)
        return dout + d


class Squares:
    def forward(self, out, target):
        self.off = out - target
        return 0.5 * np.mean(self.off ** 2)

    def backward(self):
        return self.off / self.off.size


def leaves(layers):
    for layer in layers:
        if isinstance(layer, Residual):
            yield from leaves(layer.layers)
        elif layer.params:
            yield layer


if __name__ == "__main__":
    X, Y = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
    net = [Linear(3, 6), Residual(Norm(6), Linear(6, 6)), Residual(Norm(6), Linear(6, 6)), Linear(6, 2)]
    cost = Squares()
    for epoch in range(3):
        h = X
        for layer in net:
            h = layer(h)
        loss = cost.forward(h, Y)
        d = cost.backward()
        for layer in reversed(net):
            d = layer.backward(d)
        for layer in leaves(net):
            for k in layer.params:
                layer.params[k] -= 0.1 * layer.grads[k]
        print(loss)
"""


CRITERION = """import numpy as np
rng = np.random.default_rng(0)


class Param:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)

    def zero(self):
        self.grad = np.zeros_like(self.data)


class Net:
    def __init__(self, n, h, c):
        self.W, self.b = Param(rng.normal(0, 0.4, (n, h))), Param(np.zeros(h))
        self.V, self.c = Param(rng.normal(0, 0.4, (h, c))), Param(np.zeros(c))

    def params(self):
        return [self.W, self.b, self.V, self.c]

    def forward(self, X):
        self.X, self.z = X, X @ self.W.data + self.b.data
        self.h = np.tanh(self.z)
        return self.h @ self.V.data + self.c.data

    def backward(self, dout):
        self.V.grad += self.h.T @ dout
        self.c.grad += dout.sum(0)
        dz = (dout @ self.V.data.T) * (1 - self.h ** 2)
        self.W.grad += self.X.T @ dz
        self.b.grad += dz.sum(0)


def entropy(logits, y, mask):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    picked = np.where(mask)[0]
    d = np.zeros_like(p)
    d[picked] = p[picked]
    d[picked, y[picked]] -= 1
    return -np.log(p[picked, y[picked]]).sum() / mask.sum(), d / mask.sum()


X, y = rng.normal(size=(12, 3)), rng.integers(0, 4, 12)
mask = np.arange(12) < 8
net = Net(3, 5, 4)
for epoch in range(4):
    for p in net.params():
        p.zero()
    logits = net.forward(X)
    loss, d = entropy(logits, y, mask)
    net.backward(d)
    for p in net.params():
        p.data -= 0.2 * p.grad
"""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "mistake", "count", "wrong"),
    [
        (CRITERION, ("(dout @ self.V.data.T) * (1 - self.h ** 2)", "(dout @ self.V.data.T) * (1 - self.h)"), 4, 2),
        (BLOCK, ("    de += dh\n", ""), 3, 1),
        (LISTED, ("m2 = (d * self.xhat).mean(axis=-1", "m2 = (d * self.xhat).mean(axis=0"), 10, 5),
    ],
    ids=["not of the output alone", "what is returned without a name, gradients that add up",
         "layers in a list, some of them in others"],
)
def test_all_that_is_trained_is_asked_of(
    text: str, mistake: tuple[str, str], count: int, wrong: int, tmp_path: Path
) -> None:
    found = asked_of(text, tmp_path)
    assert found.report.ok, f"{found.title}\n{found.report}"
    assert len(found.report.gradients) == count
    assert text.count(mistake[0]) == 1
    report = asked_of(text.replace(*mistake), tmp_path).report
    assert [one.verdict for one in report.gradients].count("wrong") == wrong, str(report)
    line = text[: text.index(mistake[0])].count("\n") + 1
    assert any(item.write and abs(item.line - line) <= 1 for item in report.findings if item.line), str(report)


NORM = """import numpy as np


class LayerNorm:
    def __init__(self, dim, eps=1e-5):
        self.eps, self.gamma, self.beta = eps, np.ones(dim), np.zeros(dim)

    def forward(self, x):
        self.std = 1.0 / np.sqrt(x.var(axis=-1, keepdims=True) + self.eps)
        self.xhat = (x - x.mean(axis=-1, keepdims=True)) * self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.xhat).sum(axis=0), dout.sum(axis=0)
        d = dout * self.gamma
        m = (d * self.xhat).mean(axis=-1, keepdims=True)
        return self.std * (d - d.mean(axis=-1, keepdims=True) - self.xhat * m)
"""


TAGS = """import numpy as np


def fresh(words, tags, size=5):
    r = np.random.default_rng(0)
    return {"E": r.normal(size=(words, size)), "U": r.normal(size=(size, tags)), "start": r.normal(size=tags)}


def cost(m, sentence, y):
    scores = m["E"][sentence] @ m["U"]
    scores[0] += m["start"]
    e = np.exp(scores)
    p = e / e.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(y)), y]).sum(), (sentence, y, p)


def cost_grads(m, cache):
    sentence, y, p = cache
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    g = {k: np.zeros_like(v) for k, v in m.items()}
    g["U"] += m["E"][sentence].T @ d
    g["start"] += d[0]
    np.add.at(g["E"], sentence, d @ m["U"].T)
    return g
"""

HEADED = """import numpy as np


def init(V, C):
    r = np.random.default_rng(0)
    return {"E": r.normal(size=(V, C)), "W": r.normal(size=(C, V))}


def cost(p, idx, n_head):
    B, T = idx.shape
    x = p["E"][idx].reshape(B, T, n_head, -1)
    h = (np.tanh(x) / np.arange(1, n_head + 1)[:, None]).reshape(B, T, -1)
    return 0.5 * np.sum((h @ p["W"]) ** 2) / (B * T), (x, h)


def cost_grad(p, idx, n_head):
    B, T = idx.shape
    loss, (x, h) = cost(p, idx, n_head)
    d = h @ p["W"] / (B * T)
    dh = (d @ p["W"].T).reshape(x.shape) / np.arange(1, n_head + 1)[:, None] * (1 - np.tanh(x) ** 2)
    dE = np.zeros_like(p["E"])
    np.add.at(dE, idx, dh.reshape(B, T, -1))
    return {"E": dE, "W": np.einsum("btc,btv->cv", h, d)}
"""


PADDED = """import numpy as np


def init(rng, vocab=7, length=6, d=4):
    return {"tok": rng.normal(size=(vocab, d)), "pos": rng.normal(size=(length, d)), "out": rng.normal(size=(d, vocab))}


def loss_fn(P, tokens, targets, weight):
    \"\"\"weight (b, q): 0 where there is padding.\"\"\"
    x = P["tok"][tokens] + P["pos"][: tokens.shape[1]]
    e = np.exp(np.tanh(x) @ P["out"])
    p = e / e.sum(-1, keepdims=True)
    picked = np.take_along_axis(p, targets[..., None], -1)[..., 0]
    return -np.sum(weight * np.log(picked)) / weight.sum(), (x, p)


def grad_fn(P, tokens, targets, weight, saved):
    x, p = saved
    d = (p - np.eye(len(P["tok"]))[targets]) * (weight / weight.sum())[..., None]
    dx = d @ P["out"].T * (1 - np.tanh(x) ** 2)
    G = {"tok": np.zeros_like(P["tok"]), "pos": np.zeros_like(P["pos"])}
    np.add.at(G["tok"], tokens, dx)
    G["pos"][: tokens.shape[1]] = dx.sum(0)
    G["out"] = np.einsum("bqd,bqv->dv", np.tanh(x), d)
    return G
"""

IMAGES = """import numpy as np


def init_params(input_dim=(2, 4, 4), classes=5, seed=0):
    rng = np.random.RandomState(seed)
    C, H, W = input_dim
    return {"K": rng.randn(3, C, 2, 2), "W": rng.randn(3 * (H - 1) * (W - 1), classes)}


def gradient(params, x, t):
    N, _, H, W = x.shape
    windows = np.stack([x[:, :, i:i + 2, j:j + 2] for i in range(H - 1) for j in range(W - 1)], 1)
    h = np.tanh(np.einsum("npcij,fcij->npf", windows, params["K"]))
    e = np.exp(h.reshape(N, -1) @ params["W"])
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), t]).sum() / N
    d = p.copy()
    d[np.arange(N), t] -= 1
    d /= N
    dh = (d @ params["W"].T).reshape(h.shape) * (1 - h ** 2)
    return loss, {"K": np.einsum("npcij,npf->fcij", windows, dh), "W": h.reshape(N, -1).T @ d}
"""


DIMENSIONS = """import numpy as np


def initialize_parameters(layer_dims):
    p = {}
    for n in range(1, len(layer_dims)):
        p["W%d" % n] = np.random.randn(layer_dims[n], layer_dims[n - 1])
    return p


def cost(parameters, X, Y):
    A1 = np.tanh(parameters["W1"] @ X)
    return 0.5 * np.sum((parameters["W2"] @ A1 - Y) ** 2)


def gradients(parameters, X, Y):
    A1 = np.tanh(parameters["W1"] @ X)
    dZ2 = parameters["W2"] @ A1 - Y
    dZ1 = (parameters["W2"].T @ dZ2) * (1 - A1 ** 2)
    return {"W1": dZ1 @ X.T, "W2": dZ2 @ A1.T}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("text", "names", "mistake"), [
    (PADDED, ["tok", "pos", "out"], ("dx.sum(0)", "dx.mean(0)")),
    (IMAGES, ["K", "W"], ("(1 - h ** 2)", "(1 - h)")),
    (TAGS, ["E", "U", "start"], ('d @ m["U"].T', 'd @ m["U"].T * 2')),
    (HEADED, ["E", "W"], ("(1 - np.tanh(x) ** 2)", "(1 - x ** 2)"))],
    ids=["a shape that is told of another parameter",
         "images of the size that weights have by default",
         "words and tags", "heads that divide what they share"])  # fmt: skip
def test_weights_and_positions_are_made_for_functions_that_nothing_calls(
    text: str, names: list[str], mistake: tuple[str, str], tmp_path: Path
) -> None:  # fmt: skip
    found = asked_of(text, tmp_path)
    assert found.report.ok, f"{found.title}\n{found.report}"
    assert [one.name for one in found.report.gradients] == names
    assert text.count(mistake[0]) == 1
    assert any(item.write for item in asked_of(text.replace(*mistake), tmp_path).report.findings)


COUNTED = """import numpy as np

rng = np.random.RandomState(0)
vocabulary = {"in": 0, "the": 1, "garden": 2}


class Pairs:
    def __init__(self, size):
        self.W_in, self.W_out = rng.randn(size, 4), rng.randn(size, 4)

    def forward(self, a, b):
        self.cache = a, b, 1 / (1 + np.exp(-np.sum(self.W_in[a] * self.W_out[b], axis=1)))
        return -np.log(self.cache[2]).mean()

    def backward(self):
        a, b, p = self.cache
        d = (p - 1)[:, None] / len(a)
        grad_in, grad_out = np.zeros_like(self.W_in), np.zeros_like(self.W_out)
        np.add.at(grad_in, a, d * self.W_out[b])
        np.add.at(grad_out, b, d * self.W_in[a])
        return grad_in, grad_out


model = Pairs(len(vocabulary))
for _ in range(3):
    a, b = rng.randint(3, size=6), rng.randint(3, size=6)
    loss = model.forward(a, b)
    grad_in, grad_out = model.backward()
    model.W_in -= 0.1 * grad_in
    model.W_out -= 0.1 * grad_out
"""

NESTED = """import numpy as np

rng = np.random.default_rng(0)
X, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 3))


class Warstwa:
    def __init__(self, n, m):
        self.W = rng.normal(size=(n, m))

    def naprzod(self, x):
        self.x = x
        return x @ self.W

    def wstecz(self, d):
        self.d_W = self.x.T @ d
        return d @ self.W.T


class Siec:
    def __init__(self):
        self.a, self.b = Warstwa(4, 5), Warstwa(5, 3)

    def strata(self, x, y):
        self.h = np.tanh(self.a.naprzod(x))
        self.r = self.b.naprzod(self.h) - y
        return 0.5 * np.sum(self.r ** 2)

    def wstecz(self):
        return self.a.wstecz(self.b.wstecz(self.r) * (1 - self.h ** 2))


siec = Siec()
for _ in range(3):
    L = siec.strata(X, y)
    siec.wstecz()
    for one, names in ((siec.a, ("W",)), (siec.b, ("W",))):
        for name in names:
            setattr(one, name, getattr(one, name) - 0.01 * getattr(one, "d_" + name))
"""


RIVALS = """import numpy as np

rng = np.random.RandomState(0)


def start(n, m):
    return {"w1": rng.randn(n, 5), "b1": np.zeros(5), "w2": rng.randn(5, m)}


def run(net, x):
    h = np.tanh(x @ net["w1"] + net["b1"])
    return h @ net["w2"], (x, h)


def back(net, cache, d):
    x, h = cache
    da = (d @ net["w2"].T) * (1 - h ** 2)
    return {"w1": x.T @ da, "b1": da.sum(0), "w2": h.T @ d}, da @ net["w1"].T


def critic_step(D, G, x, z):
    n = len(x)
    real, c_real = run(D, x)
    fake, c_fake = run(D, run(G, z)[0])
    loss = np.mean(np.log1p(np.exp(-real))) + np.mean(np.log1p(np.exp(fake)))
    g_real, _ = back(D, c_real, -1 / (1 + np.exp(real)) / n)
    g_fake, _ = back(D, c_fake, 1 / (1 + np.exp(-fake)) / n)
    return loss, {k: g_real[k] + g_fake[k] for k in D}


def artist_step(D, G, z):
    made, c_made = run(G, z)
    score, c_score = run(D, made)
    loss = np.mean(np.log1p(np.exp(-score)))
    _, d_made = back(D, c_score, -1 / (1 + np.exp(score)) / len(z))
    return loss, back(G, c_made, d_made)[0]


D, G = start(1, 1), start(2, 1)
for _ in range(2):
    x, z = 4 + rng.randn(8, 1), rng.randn(8, 2)
    loss_d, gd = critic_step(D, G, x, z)
    for k in D:
        D[k] = D[k] - 0.05 * gd[k]
    loss_g, gg = artist_step(D, G, z)
    for k in G:
        G[k] = G[k] - 0.05 * gg[k]
"""

ANEW = """import numpy as np

rng = np.random.default_rng(0)
x0, seen = rng.normal(size=4), rng.normal(size=(5, 4))
params, lam_reg = {"k": np.array(0.5), "W": 0.3 * rng.normal(size=4)}, 0.1


def simulate(p):
    xs = [x0]
    for _ in range(5):
        xs.append(xs[-1] - 0.1 * p["k"] * np.tanh(p["W"] * xs[-1]))
    return np.array(xs)


def cost(p, x, seen):
    return 0.5 * np.mean((x[1:] - seen) ** 2) + 0.5 * lam_reg * np.sum(p["W"] ** 2)


def adjoint(p, x, seen):
    g, lx = {"k": 0.0, "W": np.zeros(4)}, np.zeros(4)
    for n in range(4, -1, -1):
        lx = lx + (x[n + 1] - seen[n]) / seen.size
        t = np.tanh(p["W"] * x[n])
        g["k"] -= 0.1 * np.sum(lx * t)
        d = -0.1 * p["k"] * lx * (1 - t ** 2)
        g["W"] += d * x[n]
        lx = lx + d * p["W"]
    g["W"] += lam_reg * p["W"]
    return g


def step(p, g, lr):
    for name in p:
        p[name] = p[name] - lr * g[name]
    return p


for it in range(3):
    x = simulate(params)
    grads = adjoint(params, x, seen)
    if it % 2 == 0:
        print(cost(params, x, seen))
    params = step(params, grads, 0.3)
"""

SIGNED = """import numpy as np

rng = np.random.default_rng(0)
data = rng.random((6, 4))


class Coder:
    def __init__(self, rate=0.02):
        self.V, self.U, self.rate = rng.normal(size=(4, 3)), rng.normal(size=(3, 4)), rate

    def cost(self, x):
        self.x, self.h = x, 1 / (1 + np.exp(-x @ self.V))
        self.out = self.h @ self.U
        mean = self.h.mean(axis=0)
        return np.sum((x - self.out) ** 2) + 0.5 * np.sum(0.1 * np.log(0.1 / mean) + 0.9 * np.log(0.9 / (1 - mean)))

    def back(self):
        error = 2 * (self.x - self.out)
        mean = self.h.mean(axis=0)
        spread = 0.5 * (0.1 / mean - 0.9 / (1 - mean)) / len(self.x)
        delta = (error @ self.U.T + spread) * self.h * (1 - self.h)
        dU, dV = self.h.T @ error, self.x.T @ delta
        self.U += self.rate * dU
        self.V += self.rate * dV

    def train(self, x, rounds):
        history = []
        for _ in range(rounds):
            history.append(self.cost(x))
            self.back()
        return history


coder = Coder()
history = coder.train(data, 5)
"""


def test_what_is_called_so_makes_weights_of_a_list_of_sizes(tmp_path: Path) -> None:
    found = asked_of(DIMENSIONS, tmp_path)
    assert found.report.ok
    assert "initialize_parameters(layer_dims)" in found.title


PUT_TOGETHER = """import numpy as np


class Gates:
    def __init__(self, n):
        rng = np.random.default_rng(0)
        self.Wf, self.Wg, self.bf, self.bg = rng.normal(size=(3, n)), rng.normal(size=(3, n)), np.ones(3), np.zeros(3)
        self.names = ["Wf", "Wg", "bf", "bg"]

    def forward(self, x):
        self.x, self.f, self.g = x, 1 / (1 + np.exp(-x @ self.Wf.T - self.bf)), np.tanh(x @ self.Wg.T + self.bg)
        self.y = self.f * self.g
        return self.y

    def loss(self, target):
        return 0.5 * np.mean((self.y - target) ** 2)

    def backward(self, target):
        for name in self.names:
            setattr(self, "d" + name, np.zeros_like(getattr(self, name)))
        d = (self.y - target) / target.size
        for name, delta in (("f", d * self.g * self.f * (1 - self.f)), ("g", d * self.f * (1 - self.g ** 2))):
            getattr(self, "dW" + name)[...] += delta.T @ self.x
            getattr(self, "db" + name)[...] += delta.sum(axis=0)

    def update(self, rate):
        for name in self.names:
            setattr(self, name, getattr(self, name) - rate * getattr(self, "d" + name))


net, x = Gates(4), np.random.default_rng(1).normal(size=(6, 4))
target = np.sin(x[:, :3])
for _ in range(3):
    net.forward(x)
    error = net.loss(target)
    net.backward(target)
    net.update(0.1)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("text", "names"), [
    (PUT_TOGETHER, ["Wf", "Wg", "bf", "bg"]), (COUNTED, ["W_in", "W_out"]), (NESTED, ["X", "siec.a.W", "siec.b.W"]),
    (RIVALS, ["w1", "b1", "w2"]),
    (ANEW, ["params['k']", "params['W']"]), (SIGNED, ["V", "U"])],
    ids=["names that are put together", "a number in a dict is no parameter",
         "a method that hands on to those of its name", "batches of one size", "what a round binds anew",
         "an object that is self in its loop"])  # fmt: skip
def test_gradients_are_of_what_they_are_called_after(text: str, names: list[str], tmp_path: Path) -> None:
    report = asked_of(text, tmp_path).report
    assert report.ok, str(report)
    assert sorted(one.name for one in report.gradients) == sorted(names)


def test_of_two_networks_with_the_same_keys_the_one_is_asked_of_that_the_gradients_fit(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(RIVALS, encoding="utf-8")
    found = {one.report.gradients[2].shape for one in outcomes(str(script)) if one.report is not None and one.report.ok}
    asked = {wrt for one in outcomes(str(script)) for wrt in re.findall(r"--wrt (\w+)", one.title)}
    assert asked == {"D", "G"}
    assert found == {(5, 1)}


@pytest.mark.slow
def test_data_of_a_layer_are_as_wide_as_its_arrays(tmp_path: Path) -> None:
    """One column would be stretched to them, and nothing be asked of the data."""
    found = asked_of(NORM, tmp_path).report
    assert found.ok
    assert {one.name for one in found.gradients} == {"x", "gamma", "beta"}
    wrong = asked_of(NORM.replace("(d * self.xhat).mean(axis=-1", "(d * self.xhat).mean(axis=0"), tmp_path).report
    assert [one.name for one in wrong.gradients if one.verdict == "wrong"] == ["x"]
