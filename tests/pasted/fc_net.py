import numpy as np


class TwoLayerNet(object):
    """
    Dense layer, ReLU, dense layer, softmax. Weights and biases live in the
    dictionary self.params so that a solver can update them by name.
    """

    def __init__(self, input_dim=3 * 32 * 32, hidden_dim=100, num_classes=10,
                 weight_scale=1e-3, reg=0.0):
        self.params = {}
        self.reg = reg
        self.params['W1'] = weight_scale * np.random.randn(input_dim, hidden_dim)
        self.params['b1'] = np.zeros(hidden_dim)
        self.params['W2'] = weight_scale * np.random.randn(hidden_dim, num_classes)
        self.params['b2'] = np.zeros(num_classes)

    def loss(self, X, y=None):
        """
        Inputs:
        - X: Images or rows, shape (N, d_1, ..., d_k)
        - y: Class numbers, shape (N,), or None when predicting

        Returns the class scores, shape (N, C), when there is no y. Otherwise:
        - loss: Cross entropy plus weight decay
        - grads: Gradients by name, same keys as self.params
        """
        W1, b1 = self.params['W1'], self.params['b1']
        W2, b2 = self.params['W2'], self.params['b2']
        N = X.shape[0]
        Xf = X.reshape(N, -1)

        hidden = np.maximum(0, Xf.dot(W1) + b1)
        scores = hidden.dot(W2) + b2

        if y is None:
            return scores

        scores = scores - np.max(scores, axis=1, keepdims=True)
        probs = np.exp(scores)
        probs /= probs.sum(axis=1, keepdims=True)
        loss = -np.sum(np.log(probs[range(N), y])) / N
        loss += 0.5 * self.reg * (np.sum(W1 * W1) + np.sum(W2 * W2))

        grads = {}
        dscores = probs.copy()
        dscores[range(N), y] -= 1
        dscores /= N
        grads['W2'] = hidden.T.dot(dscores) + self.reg * W2
        grads['b2'] = dscores.sum(axis=0)
        dhidden = dscores.dot(W2.T)
        dhidden[hidden <= 0] = 0
        grads['W1'] = Xf.T.dot(dhidden) + self.reg * W1
        grads['b1'] = dhidden.sum(axis=0)

        return loss, grads
