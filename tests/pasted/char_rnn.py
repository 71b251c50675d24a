"""
Predict the next letter with a small recurrent net, numpy only
"""
import numpy as np

# text (short on purpose)
data = "the quick brown fox jumps over the lazy dog. the dog sleeps on.\n" * 4
chars = sorted(set(data))
data_size, vocab_size = len(data), len(chars)
print(data_size, 'letters,', vocab_size, 'different')
char_to_ix = {ch: i for i, ch in enumerate(chars)}
ix_to_char = {i: ch for i, ch in enumerate(chars)}

# settings
hidden_size = 24
seq_length = 12  # letters per chunk
learning_rate = 1e-1

# weights
np.random.seed(0)
Wxh = np.random.randn(hidden_size, vocab_size) * 0.01  # input to hidden
Whh = np.random.randn(hidden_size, hidden_size) * 0.01  # hidden to hidden
Why = np.random.randn(vocab_size, hidden_size) * 0.01  # hidden to output
bh = np.zeros((hidden_size, 1))
by = np.zeros((vocab_size, 1))


def lossFun(inputs, targets, hprev):
    """
    inputs, targets: letter numbers (list of int), targets one letter ahead
    hprev: state left over from the chunk before, hidden_size x 1
    gives back loss, the five gradients, and the state to go on with
    """
    xs, hs, ps = {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    # forward
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        y = Why @ hs[t] + by
        e = np.exp(y - np.max(y))
        ps[t] = e / np.sum(e)
        loss += -np.log(ps[t][targets[t], 0])
    # backward through time
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += dy @ hs[t].T
        dby += dy
        dh = Why.T @ dy + dhnext
        dz = (1 - hs[t] ** 2) * dh
        dbh += dz
        dWxh += dz @ xs[t].T
        dWhh += dz @ hs[t - 1].T
        dhnext = Whh.T @ dz
    for dparam in [dWxh, dWhh, dWhy, dbh, dby]:
        np.clip(dparam, -5, 5, out=dparam)  # keep it sane
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]


p = 0
mem = [np.zeros_like(w) for w in (Wxh, Whh, Why, bh, by)]  # for Adagrad
smooth_loss = -np.log(1.0 / vocab_size) * seq_length
for n in range(200):
    if p + seq_length + 1 >= len(data) or n == 0:
        hprev = np.zeros((hidden_size, 1))
        p = 0
    inputs = [char_to_ix[ch] for ch in data[p:p + seq_length]]
    targets = [char_to_ix[ch] for ch in data[p + 1:p + seq_length + 1]]
    loss, dWxh, dWhh, dWhy, dbh, dby, hprev = lossFun(inputs, targets, hprev)
    smooth_loss = smooth_loss * 0.99 + loss * 0.01
    if n % 100 == 0:
        print(n, smooth_loss)
    for param, dparam, m in zip([Wxh, Whh, Why, bh, by],
                                [dWxh, dWhh, dWhy, dbh, dby], mem):
        m += dparam * dparam
        param += -learning_rate * dparam / np.sqrt(m + 1e-8)
    p += seq_length
