import numpy as np

lam = 0.2


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Net:
    def __init__(self, sizes):
        self.b = [np.random.randn(n, 1) for n in sizes[1:]]
        self.w = [np.random.randn(n, m) for m, n in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.b, self.w):
            a = sigmoid(w @ a + b)
        return a

    def cost(self, x, y):
        return 0.5 * np.sum((self.feedforward(x) - y) ** 2) + 0.5 * lam * sum(np.sum(w ** 2) for w in self.w)

    def backprop(self, x, y):
        activations = [x]
        for b, w in zip(self.b, self.w):
            activations.append(sigmoid(w @ activations[-1] + b))
        nabla_b, nabla_w = [None] * len(self.b), [None] * len(self.w)
        delta = (activations[-1] - y) * activations[-1] * (1 - activations[-1])
        for k in range(1, len(self.w) + 1):
            nabla_b[-k] = delta
            nabla_w[-k] = delta @ activations[-k - 1].T
            if k < len(self.w):
                delta = (self.w[-k].T @ delta) * activations[-k - 1] * (1 - activations[-k - 1])
        return nabla_b, nabla_w

    def update(self, x, y, eta):
        nabla_b, nabla_w = self.backprop(x, y)
        self.w = [(1 - eta * lam) * w - eta * nw for w, nw in zip(self.w, nabla_w)]
        self.b = [b - eta * nb for b, nb in zip(self.b, nabla_b)]


np.random.seed(1)
net = Net([3, 4, 2])
x, y = np.random.randn(3, 1), np.array([[0.0], [1.0]])
for step in range(5):
    net.update(x, y, 0.3)
