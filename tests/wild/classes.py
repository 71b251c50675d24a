"""Classes: layers with self.x, a list of layers, weights updated inside backward, unusual networks."""

import numpy as np

from .fixture import Fixture

# small layers with params on self, softmax-with-loss as the last one


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.x = None
        self.original_x_shape = None
        self.dW = None
        self.db = None

    def forward(self, x):
        self.original_x_shape = x.shape
        x = x.reshape(x.shape[0], -1)
        self.x = x
        return np.dot(self.x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx.reshape(*self.original_x_shape)


class Sigmoid:
    def __init__(self):
        self.out = None

    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        self.out = out
        return out

    def backward(self, dout):
        dx = dout * (1.0 - self.out) * self.out
        return dx


class Relu:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        dx = dout
        return dx


class SoftmaxWithLoss:
    def __init__(self):
        self.loss = None
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        x = x - np.max(x, axis=-1, keepdims=True)
        self.y = np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)
        if self.y.ndim == 1:
            self.t = self.t.reshape(1, self.t.size)
            self.y = self.y.reshape(1, self.y.size)
        if self.t.size == self.y.size:
            self.t = self.t.argmax(axis=1)
        batch_size = self.y.shape[0]
        self.loss = -np.sum(np.log(self.y[np.arange(batch_size), self.t] + 1e-7)) / batch_size
        return self.loss

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        dx = self.y.copy()
        picked = dx[np.arange(batch_size), self.t].copy()
        dx[np.arange(batch_size), self.t] -= 1
        # the 1e-7 inside the log belongs to the loss
        dx *= (picked / (picked + 1e-7))[:, np.newaxis]
        dx = dx / batch_size
        return dx * dout


class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, rng):
        W1, b1 = rng.normal(size=(input_size, hidden_size)), rng.normal(size=hidden_size)
        W2, b2 = rng.normal(size=(hidden_size, output_size)), rng.normal(size=output_size)
        self.layers = [Affine(W1, b1), Relu(), Affine(W2, b2), Sigmoid()]
        self.last_layer = SoftmaxWithLoss()

    def predict(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def loss(self, x, t):
        return self.last_layer.forward(self.predict(x), t)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.last_layer.backward(1)
        layers = list(self.layers)
        layers.reverse()
        for layer in layers:
            dout = layer.backward(dout)
        grads = {}
        grads["W1"], grads["b1"] = self.layers[0].dW, self.layers[0].db
        grads["W2"], grads["b2"] = self.layers[2].dW, self.layers[2].db
        return grads


def arguments_layers(rng, sizes=(5, 3, 6, 4)):
    N, D, H, C = sizes
    return TwoLayerNet(2 * D, H, C, rng), rng.normal(size=(N, 2, D)), rng.integers(0, C, size=N)


def loss_layers(network, x, t):
    return network.loss(x, t)


def gradients_layers(network, x, t):
    return network.gradient(x, t)


# the whole network in one class, weights changed inside backprop and nothing returned


class NeuralNetwork:
    def __init__(self, x, y, hidden, rng):
        self.input = x
        self.y = y
        self.lr = 0.5
        self.weights1 = rng.normal(size=(x.shape[1], hidden))
        self.weights2 = rng.normal(size=(hidden, y.shape[1]))

    def sigmoid(self, x):
        return 1.0 / (1 + np.exp(-x))

    def sigmoid_derivative(self, x):
        # x is the output of the sigmoid
        return x * (1.0 - x)

    def feedforward(self):
        self.layer1 = self.sigmoid(np.dot(self.input, self.weights1))
        self.output = self.sigmoid(np.dot(self.layer1, self.weights2))
        return self.output

    def backprop(self):
        output_delta = 2 * (self.y - self.output) * self.sigmoid_derivative(self.output)
        d_weights2 = np.dot(self.layer1.T, output_delta)
        d_weights1 = np.dot(
            self.input.T, np.dot(output_delta, self.weights2.T) * self.sigmoid_derivative(self.layer1)
        )
        # the sign is in (y - output)
        self.weights1 += self.lr * d_weights1
        self.weights2 += self.lr * d_weights2


def arguments_updates(rng, sizes=(5, 3, 4, 2)):
    N, D, H, C = sizes
    return (NeuralNetwork(rng.normal(size=(N, D)), rng.uniform(size=(N, C)), H, rng),)


def loss_updates(nn):
    return np.sum((nn.y - nn.feedforward()) ** 2)


def gradients_updates(nn):
    old1, old2 = nn.weights1.copy(), nn.weights2.copy()
    nn.feedforward()
    nn.backprop()
    return (old1 - nn.weights1) / nn.lr, (old2 - nn.weights2) / nn.lr


# layers that update themselves with the learning rate that backward is given; columns


class Layer:
    def __init__(self):
        self.input = None
        self.output = None


class Dense(Layer):
    def __init__(self, weights, bias):
        super().__init__()
        self.weights = weights
        self.bias = bias

    def forward(self, input):
        self.input = input
        return np.dot(self.weights, self.input) + self.bias

    def backward(self, output_gradient, learning_rate):
        weights_gradient = np.dot(output_gradient, self.input.T)
        input_gradient = np.dot(self.weights.T, output_gradient)
        self.weights -= learning_rate * weights_gradient
        self.bias -= learning_rate * output_gradient
        return input_gradient


class Activation(Layer):
    def __init__(self, activation, activation_prime):
        super().__init__()
        self.activation = activation
        self.activation_prime = activation_prime

    def forward(self, input):
        self.input = input
        return self.activation(self.input)

    def backward(self, output_gradient, learning_rate):
        return np.multiply(output_gradient, self.activation_prime(self.input))


class Tanh(Activation):
    def __init__(self):
        super().__init__(tanh, tanh_prime)


def tanh(x):
    return np.tanh(x)


def tanh_prime(x):
    return 1 - np.tanh(x) ** 2


def mse(y_true, y_pred):
    return np.mean(np.power(y_true - y_pred, 2))


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / np.size(y_true)


def arguments_dense(rng, sizes=(3, 5, 2)):
    D, H, C = sizes
    network = [
        Dense(rng.normal(size=(H, D)), rng.normal(size=(H, 1))),
        Tanh(),
        Dense(rng.normal(size=(C, H)), rng.normal(size=(C, 1))),
        Tanh(),
    ]
    return network, rng.normal(size=(D, 1)), rng.normal(size=(C, 1))


def loss_dense(network, x, y):
    output = x
    for layer in network:
        output = layer.forward(output)
    return mse(y, output)


def gradients_dense(network, x, y):
    learning_rate = 0.25
    before = [(network[l].weights.copy(), network[l].bias.copy()) for l in (0, 2)]
    output = x
    for layer in network:
        output = layer.forward(output)
    grad = mse_prime(y, output)
    for layer in reversed(network):
        grad = layer.backward(grad, learning_rate)
    return [
        ((w - network[l].weights) / learning_rate, (b - network[l].bias) / learning_rate)
        for (w, b), l in zip(before, (0, 2))
    ], grad


# residual block with a projection, relu by a mask of floats


class ResidualBlock:
    def __init__(self, D, H, E, rng):
        self.params = {
            "W1": rng.normal(size=(D, H)),
            "W2": rng.normal(size=(H, E)),
            "Ws": rng.normal(size=(D, E)),
        }
        self.grads = {}

    def forward(self, x):
        self.x = x
        self.a = np.dot(x, self.params["W1"])
        self.h = self.a * (self.a > 0)
        self.out = np.dot(self.h, self.params["W2"]) + np.dot(x, self.params["Ws"])
        return np.maximum(self.out, 0.0) + x.sum(axis=1, keepdims=True)

    def backward(self, dout):
        dx = np.repeat(dout.sum(axis=1, keepdims=True), self.x.shape[1], axis=1)
        dpre = dout * (self.out > 0).astype(float)
        dh = np.dot(dpre, self.params["W2"].T)
        self.grads["W2"] = np.dot(self.h.T, dpre)
        self.grads["Ws"] = np.dot(self.x.T, dpre)
        dx += np.dot(dpre, self.params["Ws"].T)
        da = dh * (self.a > 0)
        self.grads["W1"] = np.dot(self.x.T, da)
        dx += np.dot(da, self.params["W1"].T)
        return dx


def arguments_residual(rng, sizes=(5, 3, 4, 2)):
    N, D, H, E = sizes
    return ResidualBlock(D, H, E, rng), rng.normal(size=(N, D)), rng.normal(size=(N, E))


def loss_residual(block, x, dout):
    return np.sum(block.forward(x) * dout)


def gradients_residual(block, x, dout):
    block.forward(x)
    dx = block.backward(dout)
    return dx, block.grads


# highway layer


def sigm(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


class Highway:
    def __init__(self, D, rng):
        self.WH, self.WT = rng.normal(size=(D, D)), rng.normal(size=(D, D))
        self.bH, self.bT = rng.normal(size=D), rng.normal(size=D) - 1

    def fprop(self, x):
        self.x = x
        self.H = np.tanh(x @ self.WH + self.bH)
        self.T = sigm(x @ self.WT + self.bT)
        return self.H * self.T + x * (1 - self.T)

    def bprop(self, dy):
        dH = dy * self.T * (1 - self.H**2)
        dT = dy * (self.H - self.x) * self.T * (1 - self.T)
        self.dWH = self.x.T @ dH
        self.dWT = self.x.T @ dT
        self.dbH, self.dbT = dH.sum(0), dT.sum(0)
        return dH @ self.WH.T + dT @ self.WT.T + dy * (1 - self.T)


def arguments_highway(rng, sizes=(5, 3)):
    N, D = sizes
    return Highway(D, rng), rng.normal(size=(N, D)), rng.normal(size=(N, D))


def loss_highway(layer, x, y):
    return ((layer.fprop(x) - y) ** 2).sum() / 2


def gradients_highway(layer, x, y):
    dx = layer.bprop(layer.fprop(x) - y)
    return layer.dWH, layer.dWT, layer.dbH, layer.dbT, dx


# bilinear form between two inputs, tensordot


class Bilinear:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x1, x2):
        self.x1, self.x2 = x1, x2
        self.xW = np.tensordot(x1, self.W, axes=([1], [1]))  # n, k, j
        return (self.xW * x2[:, np.newaxis, :]).sum(-1) + self.b

    def backward(self, dout):
        N, K = dout.shape
        self.db = dout.sum(0)
        self.dW = np.zeros_like(self.W)
        for k in range(K):
            self.dW[k] = (self.x1 * dout[:, k : k + 1]).T.dot(self.x2)
        dx2 = (self.xW * np.expand_dims(dout, -1)).sum(axis=1)
        t = np.tensordot(self.x2, self.W, axes=(1, 2))  # n, k, i
        dx1 = np.sum(t * dout[:, :, None], axis=1)
        return dx1, dx2


def arguments_bilinear(rng, sizes=(5, 3, 4, 2)):
    N, I, J, K = sizes
    layer = Bilinear(rng.normal(size=(K, I, J)), rng.normal(size=K))
    return layer, rng.normal(size=(N, I)), rng.normal(size=(N, J)), rng.normal(size=(N, K))


def loss_bilinear(layer, x1, x2, t):
    return 0.5 * np.sum((layer.forward(x1, x2) - t) ** 2) / len(t)


def gradients_bilinear(layer, x1, x2, t):
    out = layer.forward(x1, x2)
    dx1, dx2 = layer.backward((out - t) / len(t))
    return layer.dW, layer.db, dx1, dx2


# activations as classes with fn and grad


class ActivationBase:
    def __call__(self, z):
        if z.ndim == 1:
            z = z.reshape(1, -1)
        return self.fn(z)


class LeakyReLU(ActivationBase):
    alpha = 0.3

    def fn(self, z):
        _z = z.copy()
        _z[z < 0] = _z[z < 0] * self.alpha
        return _z

    def grad(self, x):
        out = np.ones_like(x)
        out[x < 0] *= self.alpha
        return out


class ELU(ActivationBase):
    alpha = 1.3

    def fn(self, z):
        return np.where(z > 0, z, self.alpha * (np.exp(z) - 1))

    def grad(self, x):
        return np.where(x > 0, np.ones_like(x), self.alpha * np.exp(x))


class SoftPlus(ActivationBase):
    def fn(self, z):
        return np.log(np.exp(z) + 1)

    def grad(self, x):
        exp_x = np.exp(x)
        return exp_x / (exp_x + 1)


class SiLU(ActivationBase):
    def fn(self, z):
        return z / (1 + np.exp(-z))

    def grad(self, x):
        s = 1 / (1 + np.exp(-x))
        return s + x * s * (1 - s)


class GELU(ActivationBase):
    def fn(self, z):
        return 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))

    def grad(self, x):
        pi, tanh = np.pi, np.tanh
        s = x / np.sqrt(2)
        approx = tanh(np.sqrt(2 / pi) * (x + 0.044715 * x**3))
        d = np.sqrt(2) * s * np.sqrt(2 / pi) * (1 + 3 * 0.044715 * x**2) * (1 - approx**2)
        return 0.5 + 0.5 * approx + 0.5 * d


class HardSigmoid(ActivationBase):
    def fn(self, z):
        return np.clip(0.2 * z + 0.5, 0.0, 1.0)

    def grad(self, x):
        return np.where((x >= -2.5) & (x <= 2.5), 0.2, 0)


class DeepMLP:
    def __init__(self, D, width, rng):
        self.acts = [LeakyReLU(), ELU(), SoftPlus(), SiLU(), GELU(), HardSigmoid()]
        self.W = []
        for i in range(len(self.acts)):
            self.W.append(rng.normal(size=(D if i == 0 else width, width)) / np.sqrt(width))

    def forward(self, X):
        self.Xs, self.Zs = [X], []
        for W, act in zip(self.W, self.acts):
            Z = self.Xs[-1] @ W
            self.Zs.append(Z)
            self.Xs.append(act(Z))
        return self.Xs[-1]

    def backward(self, dLdy):
        dW = []
        for W, act, X, Z in reversed(list(zip(self.W, self.acts, self.Xs, self.Zs))):
            dZ = dLdy * act.grad(Z)
            dW.insert(0, X.T @ dZ)
            dLdy = dZ @ W.T
        return dLdy, dW


def arguments_activations(rng, sizes=(5, 3, 4)):
    N, D, width = sizes
    return DeepMLP(D, width, rng), rng.normal(size=(N, D)) * 2, rng.normal(size=(N, width))


def loss_activations(mlp, X, dLdy):
    return np.sum(mlp.forward(X) * dLdy)


def gradients_activations(mlp, X, dLdy):
    mlp.forward(X)
    return mlp.backward(dLdy)


LAYERS = ("0.W1", "0.b1", "0.W2", "0.b2")

FIXTURES = [
    Fixture(
        name="class_layers_softmax_with_loss",
        groups=(1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 17),
        arguments=arguments_layers,
        loss=loss_layers,
        gradients=gradients_layers,
        wrt=("0.layers.0.W", "0.layers.0.b", "0.layers.2.W", "0.layers.2.b"),
        returned=("W1", "b1", "W2", "b2"),
    ),
    Fixture(
        name="class_updates_in_backprop",
        groups=(1, 3, 4, 5, 11),
        arguments=arguments_updates,
        loss=loss_updates,
        gradients=gradients_updates,
        wrt=("0.weights1", "0.weights2"),
    ),
    Fixture(
        name="class_layers_update_themselves",
        groups=(1, 2, 3, 4, 5, 11),
        arguments=arguments_dense,
        loss=loss_dense,
        gradients=gradients_dense,
        wrt=("0.0.weights", "0.0.bias", "0.2.weights", "0.2.bias", "1"),
        returned=("0.0.0", "0.0.1", "0.1.0", "0.1.1", "1"),
    ),
    Fixture(
        name="residual_block",
        groups=(1, 2, 3, 4, 5, 11, 19),
        arguments=arguments_residual,
        loss=loss_residual,
        gradients=gradients_residual,
        wrt=("1", "0.params.W1", "0.params.W2", "0.params.Ws"),
        returned=("0", "1.W1", "1.W2", "1.Ws"),
    ),
    Fixture(
        name="highway_layer",
        groups=(1, 3, 4, 5),
        arguments=arguments_highway,
        loss=loss_highway,
        gradients=gradients_highway,
        wrt=("0.WH", "0.WT", "0.bH", "0.bT", "1"),
    ),
    Fixture(
        name="bilinear_tensordot",
        groups=(1, 2, 3, 4, 5, 6, 7, 8, 9),
        arguments=arguments_bilinear,
        loss=loss_bilinear,
        gradients=gradients_bilinear,
        wrt=("0.W", "0.b", "1", "2"),
    ),
    Fixture(
        name="activation_classes",
        groups=(1, 3, 4, 5, 6, 8, 11, 17),
        arguments=arguments_activations,
        loss=loss_activations,
        gradients=gradients_activations,
        wrt=("1", "0.W.0", "0.W.1", "0.W.2", "0.W.3", "0.W.4", "0.W.5"),
        returned=("0", "1.0", "1.1", "1.2", "1.3", "1.4", "1.5"),
    ),
]
