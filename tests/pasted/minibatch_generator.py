import argparse
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument('--hidden', type=int, nargs='+', default=[8, 6])
parser.add_argument('--lr', type=float, default=0.05)
parser.add_argument('--l2', type=float, default=0.01)
parser.add_argument('--epochs', type=int, default=20)

def make_layers(sizes, rng):
    return [{'W': rng.normal(0, 1 / np.sqrt(a), (a, b)), 'b': np.zeros((1, b))}
            for a, b in zip(sizes[:-1], sizes[1:])]

def forward(layers, X):
    acts = [X]
    for n, layer in enumerate(layers):
        z = acts[-1] @ layer['W'] + layer['b']
        acts.append(z if n == len(layers) - 1 else np.where(z > 0, z, 0.01 * z))
    return acts

def cost(layers, X, Y, l2):
    out = forward(layers, X)[-1]
    data = np.sum((out - Y) ** 2) / (2 * len(X))
    return data + l2 / 2 * sum(np.sum(l['W'] ** 2) for l in layers)

def backward(layers, X, Y, l2):
    acts = forward(layers, X)
    delta = (acts[-1] - Y) / len(X)
    grads = []
    for n in range(len(layers) - 1, -1, -1):
        grads.insert(0, {'W': acts[n].T @ delta + l2 * layers[n]['W'],
                         'b': delta.sum(axis=0, keepdims=True)})
        if n > 0:
            delta = (delta @ layers[n]['W'].T) * np.where(acts[n] > 0, 1, 0.01)
    return grads

def minibatches(X, Y, size, rng):
    perm = rng.permutation(len(X))
    for s in range(0, len(X), size):
        j = perm[s:s + size]
        yield X[j], Y[j]

if __name__ == '__main__':
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (64, 3))
    Y = np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:]
    layers = make_layers([3] + args.hidden + [1], rng)
    for epoch in range(args.epochs):
        for xb, yb in minibatches(X, Y, 16, rng):
            for layer, g in zip(layers, backward(layers, xb, yb, args.l2)):
                for key in layer:
                    layer[key] -= args.lr * g[key]
    print('cost', cost(layers, X, Y, args.l2))
