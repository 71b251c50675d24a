"""One sample a column, lists of per-layer matrices, layers counted from the end."""

import numpy as np

from .fixture import Fixture


def sigmoid(z):
    """The sigmoid function."""
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


class Network:
    def __init__(self, sizes, rng):
        self.num_layers = len(sizes)
        self.sizes = sizes
        self.biases = [rng.normal(size=(y, 1)) for y in sizes[1:]]
        self.weights = [rng.normal(size=(y, x)) / np.sqrt(x) for x, y in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = sigmoid(np.dot(w, a) + b)
        return a

    def cost_derivative(self, output_activations, y):
        return output_activations - y

    def backprop(self, x, y):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        # forward, and keep everything
        activation = x
        activations = [x]
        zs = []
        for b, w in zip(self.biases, self.weights):
            z = np.dot(w, activation) + b
            zs.append(z)
            activation = sigmoid(z)
            activations.append(activation)
        # backward
        delta = self.cost_derivative(activations[-1], y) * sigmoid_prime(zs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = np.dot(delta, activations[-2].transpose())
        for l in range(2, self.num_layers):
            z = zs[-l]
            sp = sigmoid_prime(z)
            delta = np.dot(self.weights[-l + 1].transpose(), delta) * sp
            nabla_b[-l] = delta
            nabla_w[-l] = np.dot(delta, activations[-l - 1].transpose())
        return (nabla_b, nabla_w)

    def batch_gradients(self, mini_batch):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in mini_batch:
            delta_nabla_b, delta_nabla_w = self.backprop(x, y)
            nabla_b = [nb + dnb for nb, dnb in zip(nabla_b, delta_nabla_b)]
            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_nabla_w)]
        return [nb / len(mini_batch) for nb in nabla_b], [nw / len(mini_batch) for nw in nabla_w]


def arguments_sample(rng, sizes=(3, 5, 4, 2)):
    net = Network(sizes, rng)
    return net, rng.normal(size=(sizes[0], 1)), rng.uniform(size=(sizes[-1], 1))


def loss_sample(net, x, y):
    return 0.5 * np.linalg.norm(net.feedforward(x) - y) ** 2


def gradients_sample(net, x, y):
    return net.backprop(x, y)


def arguments_batch(rng, sizes=(3, 4, 2, 5)):
    *layers, n = sizes
    net = Network(layers, rng)
    mini_batch = [(rng.normal(size=(layers[0], 1)), rng.uniform(size=(layers[-1], 1))) for _ in range(n)]
    return net, mini_batch


def loss_batch(net, mini_batch):
    cost = 0.0
    for x, y in mini_batch:
        a = net.feedforward(x)
        cost += 0.5 * np.sum((a - y) ** 2) / len(mini_batch)
    return cost


def gradients_batch(net, mini_batch):
    return net.batch_gradients(mini_batch)


# the whole mini batch as one matrix, cross-entropy, lists without a class


def feed(weights, biases, X):
    As = [X]
    for W, b in zip(weights, biases):
        As.append(sigmoid(W.dot(As[-1]) + b))
    return As


def backprop_matrix(weights, biases, X, Y):
    As = feed(weights, biases, X)
    n = X.shape[1]
    dWs, dbs = [], []
    delta = As[-1] - Y
    for l in reversed(range(len(weights))):
        dWs.append(delta.dot(As[l].T) / n)
        dbs.append(np.mean(delta, axis=1, keepdims=True))
        if l > 0:
            delta = weights[l].T.dot(delta) * As[l] * (1 - As[l])
    return dWs[::-1], dbs[::-1]


def arguments_matrix(rng, sizes=(4, 3, 2, 5)):
    *layers, n = sizes
    weights = [rng.normal(size=(o, i)) for i, o in zip(layers[:-1], layers[1:])]
    biases = [rng.normal(size=(o, 1)) for o in layers[1:]]
    Y = rng.integers(0, 2, size=(layers[-1], n)).astype(float)
    return weights, biases, rng.normal(size=(layers[0], n)), Y


def loss_matrix(weights, biases, X, Y):
    A = feed(weights, biases, X)[-1]
    return np.sum(np.nan_to_num(-Y * np.log(A) - (1 - Y) * np.log(1 - A))) / X.shape[1]


def gradients_matrix(weights, biases, X, Y):
    return backprop_matrix(weights, biases, X, Y)


FIXTURES = [
    Fixture(
        name="nielsen_sample",
        groups=(1, 2, 3, 5, 6, 9, 18),
        arguments=arguments_sample,
        loss=loss_sample,
        gradients=gradients_sample,
        wrt=("0.biases.0", "0.biases.1", "0.biases.2", "0.weights.0", "0.weights.1", "0.weights.2"),
        returned=("0.0", "0.1", "0.2", "1.0", "1.1", "1.2"),
    ),
    Fixture(
        name="nielsen_mini_batch",
        groups=(1, 2, 3, 4, 5, 6),
        arguments=arguments_batch,
        loss=loss_batch,
        gradients=gradients_batch,
        wrt=("0.biases.0", "0.biases.1", "0.weights.0", "0.weights.1"),
        returned=("0.0", "0.1", "1.0", "1.1"),
    ),
    Fixture(
        name="nielsen_matrix_cross_entropy",
        groups=(1, 2, 3, 4, 5),
        arguments=arguments_matrix,
        loss=loss_matrix,
        gradients=gradients_matrix,
        wrt=("0.0", "0.1", "1.0", "1.1"),
        returned=("0.0", "0.1", "1.0", "1.1"),
    ),
]
