"""One pass forward and back, written out; nothing is trained."""
import numpy as np


class Dense:
    def __init__(self, n, m):
        self.weights = 0.4 * np.random.randn(n, m)
        self.biases = np.zeros((1, m))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = dvalues.sum(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T


class Rectifier:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues * (self.inputs > 0)


points = np.random.randn(12, 2)
labels = np.random.randint(0, 3, size=12)
first, bend, second = Dense(2, 8), Rectifier(), Dense(8, 3)

first.forward(points)
bend.forward(first.output)
second.forward(bend.output)
powers = np.exp(second.output - second.output.max(axis=1, keepdims=True))
chances = powers / powers.sum(axis=1, keepdims=True)
loss = -np.mean(np.log(chances[range(12), labels]))

dscores = chances.copy()
dscores[range(12), labels] -= 1
dscores /= 12
second.backward(dscores)
bend.backward(second.dinputs)
first.backward(bend.dinputs)
print(loss, first.dweights)
