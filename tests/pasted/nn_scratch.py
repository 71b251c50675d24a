"""Neural network from scratch in numpy -- code for the blog post"""
import numpy as np


class NeuralNetwork:
    def __init__(self, input_size, hidden_size, output_size, learning_rate=0.1):
        self.lr = learning_rate
        self.W1 = np.random.randn(input_size, hidden_size)
        self.b1 = np.zeros((1, hidden_size))
        self.W2 = np.random.randn(hidden_size, output_size)
        self.b2 = np.zeros((1, output_size))

    def sigmoid(self, x):
        return 1 / (1 + np.exp(-x))

    def sigmoid_derivative(self, a):
        # a is already sigmoid(x)
        return a * (1 - a)

    def forward(self, X):
        self.z1 = np.dot(X, self.W1) + self.b1
        self.a1 = self.sigmoid(self.z1)
        self.z2 = np.dot(self.a1, self.W2) + self.b2
        self.a2 = self.sigmoid(self.z2)
        return self.a2

    def loss(self, y_true, y_pred):
        return np.mean((y_true - y_pred) ** 2)

    def backward(self, X, y):
        # chain rule from the output back to the input
        d_a2 = 2 * (self.a2 - y) / y.size
        d_z2 = d_a2 * self.sigmoid_derivative(self.a2)
        self.dW2 = np.dot(self.a1.T, d_z2)
        self.db2 = np.sum(d_z2, axis=0, keepdims=True)

        d_a1 = np.dot(d_z2, self.W2.T)
        d_z1 = d_a1 * self.sigmoid_derivative(self.a1)
        self.dW1 = np.dot(X.T, d_z1)
        self.db1 = np.sum(d_z1, axis=0, keepdims=True)

    def update(self):
        self.W1 -= self.lr * self.dW1
        self.b1 -= self.lr * self.db1
        self.W2 -= self.lr * self.dW2
        self.b2 -= self.lr * self.db2

    def train(self, X, y, epochs=500):
        for epoch in range(epochs):
            y_pred = self.forward(X)
            self.backward(X, y)
            self.update()
            if epoch % 100 == 0:
                print(f"Epoch {epoch}, loss: {self.loss(y, y_pred):.4f}")


# XOR problem
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([[0], [1], [1], [0]])

np.random.seed(42)
nn = NeuralNetwork(input_size=2, hidden_size=4, output_size=1, learning_rate=1.0)
nn.train(X, y)
print(nn.forward(X).round(2))
