"""Layers that learn in their own backward: nothing returns a gradient."""
import numpy as np


class Dense:
    def __init__(self, inputs, outputs):
        self.weights = np.random.randn(inputs, outputs) / inputs
        self.offsets = np.zeros(outputs)

    def forward(self, x):
        self.last_x = x
        return np.dot(x, self.weights) + self.offsets

    def backprop(self, d_L_d_out, learn_rate):
        d_L_d_weights = np.dot(self.last_x.T, d_L_d_out)
        d_L_d_offsets = d_L_d_out.sum(axis=0)
        d_L_d_x = np.dot(d_L_d_out, self.weights.T)

        # one step downhill
        self.weights -= learn_rate * d_L_d_weights
        self.offsets -= learn_rate * d_L_d_offsets
        return d_L_d_x
