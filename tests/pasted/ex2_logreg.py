# ML course exercise 2 in python: (regularized) logistic regression
import numpy as np
import scipy.optimize as opt

# exam scores and admission; the csv isn't mine to share so i fake it
np.random.seed(12)
scores = np.random.uniform(30, 100, (100, 2))
admitted = (scores.sum(axis=1) + 8 * np.random.randn(100) > 130).astype(int)

mean, std = scores.mean(axis=0), scores.std(axis=0)
m = len(admitted)
X = np.c_[np.ones(m), (scores - mean) / std]
y = admitted
Lambda = 1.0


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def cost_function(theta, X, y):
    m = y.size
    h = sigmoid(X.dot(theta))
    J = -(y.dot(np.log(h)) + (1 - y).dot(np.log(1 - h))) / m
    # don't regularize theta_0
    J += Lambda / (2 * m) * np.sum(theta[1:] ** 2)
    return J


def gradient(theta, X, y):
    m = y.size
    h = sigmoid(X.dot(theta))
    grad = X.T.dot(h - y) / m
    grad[1:] = grad[1:] + (Lambda / m) * theta[1:]
    return grad.flatten()


initial_theta = np.zeros(X.shape[1])
print('cost at zeros:', cost_function(initial_theta, X, y))
print('gradient at zeros:', gradient(initial_theta, X, y))

result = opt.fmin_tnc(func=cost_function, x0=initial_theta, fprime=gradient,
                      args=(X, y), disp=0)
theta_opt = result[0]
print('theta:', theta_opt)


def predict(theta, X):
    return sigmoid(X.dot(theta)) >= 0.5


print('accuracy: %.1f' % (100 * np.mean(predict(theta_opt, X) == y)))
