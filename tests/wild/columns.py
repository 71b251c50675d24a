"""Columns are samples: `m = X.shape[1]`, parameters["W1"], grads["dW1"], caches in tuples."""

import numpy as np

from .fixture import Fixture


def sigmoid(z):
    s = 1 / (1 + np.exp(-z))
    return s


# logistic regression


def propagate(w, b, X, Y):
    m = X.shape[1]
    A = sigmoid(np.dot(w.T, X) + b)
    cost = -(1.0 / m) * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))

    dz = A - Y
    dw = (1.0 / m) * np.dot(X, dz.T)
    db = (1.0 / m) * np.sum(dz)
    assert dw.shape == w.shape
    cost = np.squeeze(cost)
    assert cost.shape == ()
    return {"dw": dw, "db": db}, cost


def arguments_logistic(rng, sizes=(3, 5)):
    D, m = sizes
    Y = rng.integers(0, 2, size=(1, m))
    return rng.normal(size=(D, 1)), float(rng.normal()), rng.normal(size=(D, m)), Y


def loss_logistic(w, b, X, Y):
    return propagate(w, b, X, Y)[1]


def gradients_logistic(w, b, X, Y):
    return propagate(w, b, X, Y)[0]


# one hidden layer


def forward_propagation(X, parameters):
    W1 = parameters["W1"]
    b1 = parameters["b1"]
    W2 = parameters["W2"]
    b2 = parameters["b2"]

    Z1 = np.dot(W1, X) + b1
    A1 = np.tanh(Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = sigmoid(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def compute_cost(A2, Y):
    m = Y.shape[1]
    logprobs = np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)
    cost = -np.sum(logprobs) / m
    return np.squeeze(cost)


def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    W2 = parameters["W2"]
    A1 = cache["A1"]
    A2 = cache["A2"]

    dZ2 = A2 - Y
    dW2 = 1.0 / m * np.dot(dZ2, A1.T)
    db2 = 1.0 / m * np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = np.multiply(np.dot(W2.T, dZ2), 1 - np.power(A1, 2))
    dW1 = 1.0 / m * np.dot(dZ1, X.T)
    db1 = 1.0 / m * np.sum(dZ1, axis=1, keepdims=True)

    grads = {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
    return grads


def arguments_hidden(rng, sizes=(2, 4, 3, 5)):
    n_x, n_h, n_y, m = sizes
    parameters = {
        "W1": rng.normal(size=(n_h, n_x)),
        "b1": rng.normal(size=(n_h, 1)),
        "W2": rng.normal(size=(n_y, n_h)),
        "b2": rng.normal(size=(n_y, 1)),
    }
    return parameters, rng.normal(size=(n_x, m)), rng.integers(0, 2, size=(n_y, m))


def loss_hidden(parameters, X, Y):
    A2, _ = forward_propagation(X, parameters)
    return compute_cost(A2, Y)


def gradients_hidden(parameters, X, Y):
    _, cache = forward_propagation(X, parameters)
    return backward_propagation(parameters, cache, X, Y)


# L layers, relu inside, a cache of tuples


def linear_activation_forward(A_prev, W, b, activation):
    Z = W.dot(A_prev) + b
    linear_cache = (A_prev, W, b)
    if activation == "sigmoid":
        A = sigmoid(Z)
    elif activation == "relu":
        A = np.maximum(0, Z)
    return A, (linear_cache, Z)


def L_model_forward(X, parameters):
    caches = []
    A = X
    L = len(parameters) // 2
    for l in range(1, L):
        A, cache = linear_activation_forward(A, parameters["W" + str(l)], parameters["b" + str(l)], "relu")
        caches.append(cache)
    AL, cache = linear_activation_forward(A, parameters["W" + str(L)], parameters["b" + str(L)], "sigmoid")
    caches.append(cache)
    return AL, caches


def relu_backward(dA, cache):
    Z = cache
    dZ = np.array(dA, copy=True)  # so that dA is left alone
    dZ[Z <= 0] = 0
    return dZ


def sigmoid_backward(dA, cache):
    s = 1 / (1 + np.exp(-cache))
    return dA * s * (1 - s)


def linear_backward(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    dW = np.dot(dZ, A_prev.T) / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    dA_prev = np.dot(W.T, dZ)
    assert dA_prev.shape == A_prev.shape
    return dA_prev, dW, db


def linear_activation_backward(dA, cache, activation):
    linear_cache, activation_cache = cache
    if activation == "relu":
        dZ = relu_backward(dA, activation_cache)
    elif activation == "sigmoid":
        dZ = sigmoid_backward(dA, activation_cache)
    return linear_backward(dZ, linear_cache)


def L_model_backward(AL, Y, caches):
    grads = {}
    L = len(caches)
    Y = Y.reshape(AL.shape)
    dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    current_cache = caches[L - 1]
    grads["dA" + str(L - 1)], grads["dW" + str(L)], grads["db" + str(L)] = linear_activation_backward(
        dAL, current_cache, "sigmoid"
    )
    for l in reversed(range(L - 1)):
        dA_prev_temp, dW_temp, db_temp = linear_activation_backward(grads["dA" + str(l + 1)], caches[l], "relu")
        grads["dA" + str(l)] = dA_prev_temp
        grads["dW" + str(l + 1)] = dW_temp
        grads["db" + str(l + 1)] = db_temp
    return grads


def arguments_deep(rng, sizes=(3, 4, 2, 6, 5)):
    *dims, m = sizes
    parameters = {}
    for l in range(1, len(dims)):
        parameters["W" + str(l)] = rng.normal(size=(dims[l], dims[l - 1])) / np.sqrt(dims[l - 1])
        parameters["b" + str(l)] = rng.normal(size=(dims[l], 1))
    return parameters, rng.normal(size=(dims[0], m)), rng.integers(0, 2, size=(dims[-1], m))


def loss_deep(parameters, X, Y):
    AL, _ = L_model_forward(X, parameters)
    m = Y.shape[1]
    return np.squeeze((-1.0 / m) * np.sum(Y * np.log(AL) + (1 - Y) * np.log(1 - AL)))


def gradients_deep(parameters, X, Y):
    AL, caches = L_model_forward(X, parameters)
    return L_model_backward(AL, Y, caches)


# softmax over the rows of a column, with weight decay


def forward_softmax(X, params):
    Z1 = params["W1"] @ X + params["b1"]
    A1 = np.maximum(Z1, 0)
    Z2 = params["W2"] @ A1 + params["b2"]
    T = np.exp(Z2 - np.max(Z2, axis=0, keepdims=True))
    A2 = T / np.sum(T, axis=0, keepdims=True)
    return (Z1, A1, Z2, A2)


def cost_softmax(params, X, Y, lambd):
    m = X.shape[1]
    A2 = forward_softmax(X, params)[-1]
    cross_entropy = -np.sum(Y * np.log(A2)) / m
    L2 = lambd / (2 * m) * (np.sum(np.square(params["W1"])) + np.sum(np.square(params["W2"])))
    return cross_entropy + L2


def backward_softmax(params, X, Y, lambd):
    m = X.shape[1]
    Z1, A1, Z2, A2 = forward_softmax(X, params)
    dZ2 = A2 - Y
    dW2 = 1.0 / m * np.dot(dZ2, A1.T) + lambd / m * params["W2"]
    db2 = 1.0 / m * np.sum(dZ2, axis=1, keepdims=True)
    dA1 = np.dot(params["W2"].T, dZ2)
    dZ1 = np.multiply(dA1, np.int64(A1 > 0))
    dW1 = 1.0 / m * np.dot(dZ1, X.T) + lambd / m * params["W1"]
    db1 = 1.0 / m * np.sum(dZ1, axis=1, keepdims=True)
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}


def arguments_softmax(rng, sizes=(4, 5, 3, 2)):
    n_x, n_h, n_y, m = sizes
    parameters, X, _ = arguments_hidden(rng, sizes)
    Y = np.eye(n_y)[:, rng.integers(0, n_y, size=m)]
    return parameters, X, Y, 0.7


def loss_softmax(params, X, Y, lambd):
    return cost_softmax(params, X, Y, lambd)


def gradients_softmax(params, X, Y, lambd):
    return backward_softmax(params, X, Y, lambd)


# inverted dropout, its mask drawn inside

keep_prob = 0.6


def forward_dropout(X, parameters):
    np.random.seed(1)
    Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
    A1 = np.tanh(Z1)
    D1 = np.random.rand(A1.shape[0], A1.shape[1])
    D1 = (D1 < keep_prob).astype(int)
    A1 = A1 * D1
    A1 = A1 / keep_prob
    Z2 = np.dot(parameters["W2"], A1) + parameters["b2"]
    return (Z1, D1, A1, Z2)


def backward_dropout(X, Y, parameters, cache):
    m = X.shape[1]
    (Z1, D1, A1, Z2) = cache
    dZ2 = (Z2 - Y) / m
    dW2 = dZ2.dot(A1.T)
    db2 = dZ2.sum(axis=1, keepdims=True)
    dA1 = np.dot(parameters["W2"].T, dZ2)
    dA1 *= D1
    dA1 /= keep_prob
    dZ1 = dA1 * (1 - np.tanh(Z1) ** 2)
    dW1 = dZ1.dot(X.T)
    db1 = dZ1.sum(axis=1, keepdims=True)
    return {"dZ2": dZ2, "dW2": dW2, "db2": db2, "dA1": dA1, "dZ1": dZ1, "dW1": dW1, "db1": db1}


def arguments_dropout(rng, sizes=(3, 6, 2, 5)):
    parameters, X, _ = arguments_hidden(rng, sizes)
    return parameters, X, rng.normal(size=(sizes[2], sizes[3]))


def loss_dropout(parameters, X, Y):
    Z2 = forward_dropout(X, parameters)[-1]
    return np.sum((Z2 - Y) ** 2) / (2 * Y.shape[1])


def gradients_dropout(parameters, X, Y):
    return backward_dropout(X, Y, parameters, forward_dropout(X, parameters))


LAYERS = ("0.W1", "0.b1", "0.W2", "0.b2")
GRADS = ("dW1", "db1", "dW2", "db2")

FIXTURES = [
    Fixture(
        name="columns_logistic_regression",
        groups=(1, 2, 3, 4, 5, 8),
        arguments=arguments_logistic,
        loss=loss_logistic,
        gradients=gradients_logistic,
        wrt=("0", "1"),
        returned=("dw", "db"),
    ),
    Fixture(
        name="columns_one_hidden_layer",
        groups=(1, 2, 3, 4, 5, 8),
        arguments=arguments_hidden,
        loss=loss_hidden,
        gradients=gradients_hidden,
        wrt=LAYERS,
        returned=GRADS,
    ),
    Fixture(
        name="columns_deep_caches",
        groups=(1, 2, 3, 4, 5, 8, 14, 17),
        arguments=arguments_deep,
        loss=loss_deep,
        gradients=gradients_deep,
        wrt=(*LAYERS, "0.W3", "0.b3"),
        returned=(*GRADS, "dW3", "db3"),
    ),
    Fixture(
        name="columns_softmax_weight_decay",
        groups=(1, 2, 3, 4, 5, 12, 14),
        arguments=arguments_softmax,
        loss=loss_softmax,
        gradients=gradients_softmax,
        wrt=LAYERS,
        returned=GRADS,
    ),
    Fixture(
        name="columns_dropout",
        groups=(1, 2, 3, 4, 5, 11, 20),
        arguments=arguments_dropout,
        loss=loss_dropout,
        gradients=gradients_dropout,
        wrt=LAYERS,
        returned=GRADS,
    ),
]
