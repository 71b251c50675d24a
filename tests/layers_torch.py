"""Each layer of the catalogue and each network as PyTorch has it: what to hold ours against. Needs torch."""

import torch
from torch.nn import functional as F  # noqa: N812

from einbackprop.networks import BLOCK


def recurrent(kind, x, states, Wx, Wh, bias_x, bias_h):
    """A recurrent module with given weights, on x[t,j,b]; gates are stacked along the units."""
    units = Wh.shape[-1]
    module = kind(x.shape[1], units, dtype=x.dtype)
    weights = [Wx.reshape(-1, Wx.shape[-1]), Wh.reshape(-1, units), bias_x.reshape(-1), bias_h.reshape(-1)]
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    state = tuple(h.T[None].contiguous() for h in states)
    given = dict(zip(names, weights, strict=True))
    arguments = (x.transpose(1, 2), state if len(state) > 1 else state[0])
    output, last = torch.func.functional_call(module, given, arguments)
    return output.transpose(1, 2), last


def rnn(x, h0, Wx, Wh, bias):
    return recurrent(torch.nn.RNN, x, [h0], Wx, Wh, bias, torch.zeros_like(bias))[0]


def lstm(x, h0, c0, Wx, Wh, bias):
    h, p, c, cells = [], h0, c0, []
    for t in range(len(x)):  # step by step, as torch returns the last cell only
        output, (_, last) = recurrent(torch.nn.LSTM, x[t : t + 1], [p, c], Wx, Wh, bias, torch.zeros_like(bias))
        p, c = output[0], last[0].T
        h.append(p)
        cells.append(c)
    return torch.stack(h), torch.stack(cells)


def gru(x, h0, Wx, Wh, bias_x, bias_h):
    return recurrent(torch.nn.GRU, x, [h0], Wx, Wh, bias_x, bias_h)[0]




def convolution(function, X, K, bias, stride=1, padding=0, dilation=1):
    b, g, i, *pixels = X.shape
    o = K.shape[1]
    weight, flat = K.reshape(g * o, i, *K.shape[3:]), X.reshape(b, g * i, *pixels)
    Z = function(flat, weight, bias.reshape(-1), stride, padding, dilation, groups=g)
    return Z.reshape(b, g, o, *Z.shape[2:])


def pooling(function, X, size, stride):
    Z = function(X.reshape(-1, 1, *X.shape[3:]), size, stride)
    return Z.reshape(*X.shape[:3], *Z.shape[2:])


def group_norm(x, gamma, beta):
    b, g, c, p = x.shape
    return F.group_norm(x.reshape(b, g * c, p), g, gamma.reshape(-1), beta.reshape(-1)).reshape(x.shape)


def batch_norm(x, gamma, beta):
    """torch refuses a batch of one sample: it is written out."""
    if x.shape[1] > 1:
        return F.batch_norm(x.T, None, None, gamma, beta, training=True).T
    return (x - x.mean(1, keepdim=True)) * gamma[:, None] + beta[:, None]


def attention(q, k, v, mask):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def multi_head_attention(x, Wq, Wk, Wv, Wo, mask):
    q, k, v = ((x @ W.reshape(-1, x.shape[2]).T).unflatten(2, W.shape[:2]).transpose(1, 2) for W in (Wq, Wk, Wv))
    return attention(q, k, v, mask).transpose(1, 2).flatten(2) @ Wo.flatten(1).T


def rotary(x, R):
    first, second = x.chunk(2, dim=-1)
    cos, sin = R[..., 0, 0], R[..., 1, 0]
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def feed_forward(x, W1, c1, W2, c2):
    return F.linear(F.gelu(F.linear(x, W1, c1), approximate="tanh"), W2, c2)


def transformer_block(x, parameters, mask):
    gamma1, beta1, Wq, Wk, Wv, Wo, gamma2, beta2, W1, c1, W2, c2 = parameters
    y = x + multi_head_attention(F.layer_norm(x, x.shape[2:], gamma1, beta1), Wq, Wk, Wv, Wo, mask)
    return y + feed_forward(F.layer_norm(y, y.shape[2:], gamma2, beta2), W1, c1, W2, c2)


def binary_cross_entropy(z, target):
    return F.binary_cross_entropy_with_logits(z, target, reduction="sum") / z.shape[1]


LAYERS = {
    "linear": lambda W, x, c: F.linear(x.T, W, c).T,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky relu": lambda x, slope: F.leaky_relu(x, slope),
    "softplus": F.softplus,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "softmax": lambda z: F.softmax(z, dim=0),
    "log softmax": lambda z: F.log_softmax(z, dim=0),
    "half squared error": lambda y, target: F.mse_loss(y, target, reduction="sum") / 2 / y.shape[1],
    "cross-entropy": lambda z, label: F.cross_entropy(z.T, label),
    "soft cross-entropy": lambda z, target: F.cross_entropy(z.T, target.T),
    "binary cross-entropy": binary_cross_entropy,
    "batch norm": batch_norm,
    "layer norm": lambda x, gamma, beta: F.layer_norm(x, gamma.shape, gamma, beta),
    "RMS norm": lambda x, gamma: F.rms_norm(x, gamma.shape, gamma, eps=1e-5),
    "group norm": group_norm,
    "dropout": lambda x, mask, keep: x * mask / keep,
    "embedding": lambda E, token: F.embedding(token, E),
    "convolution 1d": lambda X, K, bias, **settings: convolution(F.conv1d, X, K, bias, **settings),
    "convolution 2d": lambda X, K, bias, **settings: convolution(F.conv2d, X, K, bias, **settings),
    "average pooling": lambda X, size, stride: pooling(F.avg_pool2d, X, size, stride),
    "max pooling": lambda X, size, stride: pooling(F.max_pool2d, X, size, stride),
    "RNN": rnn,
    "LSTM": lstm,
    "GRU": gru,
    "attention": attention,
    "multi-head attention": multi_head_attention,
    "rotary position": rotary,
    "feed-forward": feed_forward,
    "transformer block": transformer_block,
}


def mlp(parameters, X):
    *hidden, last = parameters["layers"]
    h = X
    for layer in hidden:
        h = (layer["W"] @ h + layer["c"][:, None]).relu()
    return last["W"] @ h + last["c"][:, None]


def convnet(parameters, X):
    h = X[:, None]
    for K, bias in (("K1", "bias1"), ("K2", "bias2")):
        h = F.max_pool2d(F.conv2d(h, parameters[K][0], parameters[bias][0], padding=1).relu(), 2)
    return (h.flatten(1) @ parameters["W"].flatten(1).T + parameters["c"]).T


def gpt(parameters, token):
    T, e = token.shape[1], parameters["E"].shape[1]
    x = F.embedding(token, parameters["E"]) + parameters["P"][:T]
    for block in parameters["blocks"]:
        x = transformer_block(x, [block[name] for name in BLOCK], torch.ones(T, T, dtype=torch.bool).tril())
    x = F.layer_norm(x, (e,), parameters["gamma"], parameters["beta"])
    return (x @ parameters["E"].T).flatten(0, 1).T


NETWORKS = {"mlp": mlp, "convnet": convnet, "gpt": gpt}


def tensors(value, needs_gradient):
    """Nested arrays as tensors; those of real numbers are leaves to differentiate by."""
    if isinstance(value, list | tuple):
        return [tensors(item, needs_gradient) for item in value]
    tensor = torch.tensor(value)
    return tensor.requires_grad_() if needs_gradient and tensor.is_floating_point() else tensor


def forward_and_vjp(name, arguments, settings, cotangents, wrt):
    """Outputs, and the cotangents of the arguments at the given places, as nested arrays."""
    given = tensors(arguments, needs_gradient=True)
    outputs = LAYERS[name](*given, **settings)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    leaves = [leaf for place in wrt for leaf in (given[place] if isinstance(given[place], list) else [given[place]])]
    gradients = torch.autograd.grad(outputs, leaves, tensors(cotangents, needs_gradient=False))
    return [output.detach().numpy() for output in outputs], [gradient.numpy() for gradient in gradients]
