import argparse

import numpy as np


def one_hot(labels, n_classes):
	out = np.zeros((len(labels), n_classes))
	out[np.arange(len(labels)), labels] = 1
	return out


def softmax(z):
	z = z - z.max(axis=1, keepdims=True)
	ez = np.exp(z)
	return ez / ez.sum(axis=1, keepdims=True)


def cross_entropy(weights, bias, x, y_onehot, l2):
	probs = softmax(x.dot(weights) + bias)
	nll = -np.sum(y_onehot * np.log(probs + 1e-12)) / len(x)
	return nll + l2 * np.sum(weights ** 2)


def cross_entropy_grad(weights, bias, x, y_onehot, l2):
	probs = softmax(x.dot(weights) + bias)
	diff = (probs - y_onehot) / len(x)
	grad_w = x.T.dot(diff) + 2 * l2 * weights
	grad_b = diff.sum(axis=0)
	return grad_w, grad_b


def load_data(path, seed):
	if path:
		d = np.load(path)
		return d["x"], d["y"]
	rng = np.random.RandomState(seed)
	y = rng.randint(0, 4, 150)
	centers = rng.randn(4, 5) * 2
	return centers[y] + rng.randn(150, 5), y


def main():
	parser = argparse.ArgumentParser(description="softmax regression with plain gradient descent")
	parser.add_argument("--data", default=None, help="npz file with x and y")
	parser.add_argument("--lr", type=float, default=0.5)
	parser.add_argument("--l2", type=float, default=1e-4)
	parser.add_argument("--epochs", type=int, default=100)
	parser.add_argument("--seed", type=int, default=0)
	args = parser.parse_args()

	x, y = load_data(args.data, args.seed)
	n_classes = y.max() + 1
	t = one_hot(y, n_classes)
	weights = np.zeros((x.shape[1], n_classes))
	bias = np.zeros(n_classes)

	for epoch in range(args.epochs):
		gw, gb = cross_entropy_grad(weights, bias, x, t, args.l2)
		weights -= args.lr * gw
		bias -= args.lr * gb
		if epoch % 20 == 0:
			print("epoch %d loss %.4f" % (epoch, cross_entropy(weights, bias, x, t, args.l2)))

	acc = np.mean(np.argmax(x.dot(weights) + bias, axis=1) == y)
	print("train accuracy %.3f" % acc)


if __name__ == "__main__":
	main()
