import numpy as np

# three spiral arms in the plane
per_arm = 40
K = 3
np.random.seed(0)
t = np.linspace(0.05, 1, per_arm)
X = np.concatenate([np.column_stack([t * np.cos(4 * t + 2 * np.pi * k / K),
                                     t * np.sin(4 * t + 2 * np.pi * k / K)]) for k in range(K)])
X += 0.03 * np.random.randn(*X.shape)
y = np.repeat(np.arange(K), per_arm)
n = len(X)

H = 30
W = 0.1 * np.random.randn(2, H)
b = np.zeros((1, H))
W2 = 0.1 * np.random.randn(H, K)
b2 = np.zeros((1, K))

step_size = 1.0
reg = 1e-3

for epoch in range(300):
  # forward
  hidden = np.maximum(0, X.dot(W) + b)
  scores = hidden.dot(W2) + b2
  probs = np.exp(scores)
  probs /= probs.sum(axis=1, keepdims=True)

  # loss
  data_loss = -np.log(probs[range(n), y]).mean()
  reg_loss = 0.5 * reg * (np.sum(W * W) + np.sum(W2 * W2))
  loss = data_loss + reg_loss
  if epoch % 100 == 0:
    print("epoch %d loss %f" % (epoch, loss))

  # backward
  dscores = probs
  dscores[range(n), y] -= 1
  dscores /= n

  dW2 = hidden.T.dot(dscores)
  db2 = dscores.sum(axis=0, keepdims=True)
  dhidden = dscores.dot(W2.T)
  dhidden[hidden <= 0] = 0
  dW = X.T.dot(dhidden)
  db = dhidden.sum(axis=0, keepdims=True)

  # don't forget the regularization
  dW2 += reg * W2
  dW += reg * W

  # update
  W -= step_size * dW
  b -= step_size * db
  W2 -= step_size * dW2
  b2 -= step_size * db2

pred = np.argmax(np.maximum(0, X.dot(W) + b).dot(W2) + b2, axis=1)
print("train accuracy", np.mean(pred == y))
