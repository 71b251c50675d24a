"""Layers that add to their weights, one sample at a time; the loop that checks gradients moves weights, too."""
import numpy as np


class Logistic:
    def forward(self, value):
        return 1.0 / (1.0 + np.exp(-value))

    def backward(self, output):
        return output * (1 - output)


class Layer:
    def __init__(self, inputs, outputs, kind):
        self.W = np.random.uniform(-0.5, 0.5, (outputs, inputs))
        self.b = np.zeros((outputs, 1))
        self.output = np.zeros((outputs, 1))
        self.kind = kind

    def forward(self, taken):
        self.taken = taken
        self.output = self.kind.forward(self.W @ taken + self.b)

    def backward(self, delta):
        self.delta = self.kind.backward(self.taken) * (self.W.T @ delta)
        self.W_grad = delta @ self.taken.T
        self.b_grad = delta

    def update(self, rate):
        self.W += rate * self.W_grad
        self.b += rate * self.b_grad


class Stack:
    def __init__(self, sizes):
        self.layers = [Layer(a, b, Logistic()) for a, b in zip(sizes, sizes[1:])]

    def predict(self, sample):
        for layer in self.layers:
            layer.forward(sample)
            sample = layer.output
        return sample

    def backwards(self, label):
        last = self.layers[-1]
        delta = last.kind.backward(last.output) * (label - last.output)
        for layer in reversed(self.layers):
            layer.backward(delta)
            delta = layer.delta

    def one_sample(self, label, sample, rate):
        self.predict(sample)
        self.backwards(label)
        for layer in self.layers:
            layer.update(rate)

    def learn(self, labels, samples, rate, times):
        for _ in range(times):
            for label, sample in zip(labels, samples):
                self.one_sample(label, sample, rate)

    def distance(self, output, label):
        return 0.5 * ((label - output) ** 2).sum()

    def check(self, sample, label, step=1e-4):
        self.predict(sample)
        self.backwards(label)
        for layer in self.layers:
            for i in range(layer.W.shape[0]):
                layer.W[i, 0] += step
                above = self.distance(self.predict(sample), label)
                layer.W[i, 0] -= 2 * step
                below = self.distance(self.predict(sample), label)
                layer.W[i, 0] += step
                print((above - below) / (2 * step), layer.W_grad[i, 0])


np.random.seed(0)
samples = [np.random.rand(5, 1) for _ in range(6)]
stack = Stack([5, 3, 5])
stack.learn(samples, samples, 0.5, 3)
