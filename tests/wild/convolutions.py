"""Convolutions by loops and by im2col, pooling by loops, by reshape and by argmax."""

import numpy as np

from .fixture import Fixture

# naive convolution: four loops, stride and pad


def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = 1 + (W + 2 * pad - WW) // stride
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    out = np.zeros((N, F, H_out, W_out))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    window = x_pad[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, F, H_out, W_out = dout.shape
    _, C, HH, WW = w.shape
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    dx_pad = np.zeros_like(x_pad)
    dw = np.zeros_like(w)
    db = np.zeros_like(b)
    for n in range(N):
        for f in range(F):
            db[f] += dout[n, f].sum()
            for i in range(H_out):
                for j in range(W_out):
                    hs, ws = i * stride, j * stride
                    dw[f] += x_pad[n, :, hs : hs + HH, ws : ws + WW] * dout[n, f, i, j]
                    dx_pad[n, :, hs : hs + HH, ws : ws + WW] += w[f] * dout[n, f, i, j]
    dx = dx_pad[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]
    return dx, dw, db


def arguments_naive(rng, sizes=(2, 5, 3, 4)):
    N, C, F, H = sizes
    x = rng.normal(size=(N, C, H, H + 1))
    w = rng.normal(size=(F, C, 3, 2))
    H_out, W_out = 1 + (H + 2 - 3) // 2, 1 + (H + 1 + 2 - 2) // 2
    return x, w, rng.normal(size=F), {"stride": 2, "pad": 1}, rng.normal(size=(N, F, H_out, W_out))


def loss_naive(x, w, b, conv_param, dout):
    out, _ = conv_forward_naive(x, w, b, conv_param)
    return np.sum(out * dout)


def gradients_naive(x, w, b, conv_param, dout):
    _, cache = conv_forward_naive(x, w, b, conv_param)
    return conv_backward_naive(dout, cache)


# im2col: a slice for each place of the kernel, inside a class


def im2col(images, fh, fw, stride, pad):
    n, c, h, w = images.shape
    oh = (h + 2 * pad - fh) // stride + 1
    ow = (w + 2 * pad - fw) // stride + 1
    padded = np.pad(images, [(0, 0), (0, 0), (pad, pad), (pad, pad)], "constant")
    col = np.zeros((n, c, fh, fw, oh, ow))
    for i in range(fh):
        i_end = i + stride * oh
        for j in range(fw):
            j_end = j + stride * ow
            col[:, :, i, j, :, :] = padded[:, :, i:i_end:stride, j:j_end:stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, -1)


def col2im(col, shape, fh, fw, stride, pad):
    n, c, h, w = shape
    oh = (h + 2 * pad - fh) // stride + 1
    ow = (w + 2 * pad - fw) // stride + 1
    col = col.reshape(n, oh, ow, c, fh, fw).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((n, c, h + 2 * pad + stride - 1, w + 2 * pad + stride - 1))
    for i in range(fh):
        i_end = i + stride * oh
        for j in range(fw):
            j_end = j + stride * ow
            img[:, :, i:i_end:stride, j:j_end:stride] += col[:, :, i, j, :, :]
    return img[:, :, pad : h + pad, pad : w + pad]


class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W = W
        self.b = b
        self.stride = stride
        self.pad = pad
        self.x = None
        self.col = None
        self.col_W = None
        self.dW = None
        self.db = None

    def forward(self, x):
        FN, C, FH, FW = self.W.shape
        N, C, H, W = x.shape
        out_h = 1 + (H + 2 * self.pad - FH) // self.stride
        out_w = 1 + (W + 2 * self.pad - FW) // self.stride
        col = im2col(x, FH, FW, self.stride, self.pad)
        col_W = self.W.reshape(FN, -1).T
        out = np.dot(col, col_W) + self.b
        out = out.reshape(N, out_h, out_w, -1).transpose(0, 3, 1, 2)
        self.x = x
        self.col = col
        self.col_W = col_W
        return out

    def backward(self, dout):
        FN, C, FH, FW = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.db = np.sum(dout, axis=0)
        self.dW = np.dot(self.col.T, dout)
        self.dW = self.dW.transpose(1, 0).reshape(FN, C, FH, FW)
        dcol = np.dot(dout, self.col_W.T)
        dx = col2im(dcol, self.x.shape, FH, FW, self.stride, self.pad)
        return dx


def arguments_im2col(rng, sizes=(2, 3, 4, 5)):
    N, C, F, H = sizes
    layer = Convolution(rng.normal(size=(F, C, 2, 3)), rng.normal(size=F), stride=2, pad=1)
    x = rng.normal(size=(N, C, H, H + 1))
    return layer, x, rng.normal(size=(N, F, 1 + (H + 2 - 2) // 2, 1 + (H + 1 + 2 - 3) // 2))


def loss_im2col(layer, x, t):
    y = layer.forward(x)
    return 0.5 * np.sum((y - t) ** 2)


def gradients_im2col(layer, x, t):
    y = layer.forward(x)
    dx = layer.backward(y - t)
    return layer.dW, layer.db, dx


# im2col by three index arrays, col2im with np.add.at


def get_im2col_indices(x_shape, kh, kw):
    N, C, H, W = x_shape
    oh, ow = H - kh + 1, W - kw + 1
    i0 = np.repeat(np.arange(kh), kw)
    i0 = np.tile(i0, C)
    i1 = np.repeat(np.arange(oh), ow)
    j0 = np.tile(np.arange(kw), kh * C)
    j1 = np.tile(np.arange(ow), oh)
    i = i0.reshape(-1, 1) + i1.reshape(1, -1)
    j = j0.reshape(-1, 1) + j1.reshape(1, -1)
    k = np.repeat(np.arange(C), kh * kw).reshape(-1, 1)
    return (k, i, j)


def conv_forward_indices(x, w, b):
    N, C, H, W = x.shape
    F, _, kh, kw = w.shape
    k, i, j = get_im2col_indices(x.shape, kh, kw)
    cols = x[:, k, i, j]
    cols = cols.transpose(1, 2, 0).reshape(kh * kw * C, -1)
    res = w.reshape((F, -1)).dot(cols) + b.reshape(-1, 1)
    out = res.reshape(F, H - kh + 1, W - kw + 1, N)
    return out.transpose(3, 0, 1, 2), (x, w, cols)


def conv_backward_indices(dout, cache):
    x, w, cols = cache
    F, C, kh, kw = w.shape
    db = np.sum(dout, axis=(0, 2, 3))
    dout_reshaped = dout.transpose(1, 2, 3, 0).reshape(F, -1)
    dw = dout_reshaped.dot(cols.T).reshape(w.shape)
    dcols = w.reshape(F, -1).T.dot(dout_reshaped)
    dx = np.zeros(x.shape, dtype=dcols.dtype)
    k, i, j = get_im2col_indices(x.shape, kh, kw)
    dcols = dcols.reshape(C * kh * kw, -1, x.shape[0]).transpose(2, 0, 1)
    np.add.at(dx, (slice(None), k, i, j), dcols)
    return dx, dw, db


def arguments_indices(rng, sizes=(2, 3, 4, 5)):
    N, C, F, H = sizes
    x = rng.normal(size=(N, C, H, H + 1))
    w = rng.normal(size=(F, C, 3, 2))
    return x, w, rng.normal(size=F), rng.normal(size=(N, F, H - 2, H))


def loss_indices(x, w, b, dout):
    return np.sum(conv_forward_indices(x, w, b)[0] * dout)


def gradients_indices(x, w, b, dout):
    return conv_backward_indices(dout, conv_forward_indices(x, w, b)[1])


# one dimension, valid; backward as a full correlation with the flipped kernel


def conv1d(x, w):
    K = len(w)
    return np.array([np.dot(x[t : t + K], w) for t in range(len(x) - K + 1)])


def conv1d_backward(dy, x, w):
    K = w.shape[0]
    dw = np.zeros(K)
    for k in range(K):
        dw[k] = np.sum(dy * x[k : k + dy.shape[0]])
    dy_pad = np.pad(dy, (K - 1, K - 1), mode="constant")
    w_flip = np.flip(w)
    dx = np.zeros(x.shape[0])
    for t in range(x.shape[0]):
        dx[t] = np.sum(dy_pad[t : t + K] * w_flip)
    return dx, dw


def arguments_conv1d(rng, sizes=(6, 3)):
    T, K = sizes
    return rng.normal(size=T), rng.normal(size=K), rng.normal(size=T - K + 1)


def loss_conv1d(x, w, target):
    y = conv1d(x, w)
    return np.mean((y - target) ** 2)


def gradients_conv1d(x, w, target):
    y = conv1d(x, w)
    return conv1d_backward(2 * (y - target) / y.size, x, w)


# max pooling by loops


def max_pool_forward(x, pool_param):
    N, C, H, W = x.shape
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    oh, ow = (H - ph) // s + 1, (W - pw) // s + 1
    out = np.empty((N, C, oh, ow))
    for i in range(oh):
        for j in range(ow):
            out[:, :, i, j] = np.max(x[:, :, i * s : i * s + ph, j * s : j * s + pw], axis=(2, 3))
    return out


def max_pool_backward(dout, x, pool_param):
    N, C, H, W = x.shape
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    window = x[n, c, i * s : i * s + ph, j * s : j * s + pw]
                    m = np.max(window)
                    dx[n, c, i * s : i * s + ph, j * s : j * s + pw] += (window == m) * dout[n, c, i, j]
    return dx


def arguments_max_pool(rng, sizes=(2, 5, 3, 4)):
    N, C, H, W = sizes
    param = {"pool_height": 2, "pool_width": 3, "stride": 1}
    return rng.normal(size=(N, C, H, W)), param, rng.normal(size=(N, C, H - 1, W - 2))


def loss_max_pool(x, pool_param, dout):
    return np.sum(max_pool_forward(x, pool_param) * dout)


def gradients_max_pool(x, pool_param, dout):
    return max_pool_backward(dout, x, pool_param)


# max pooling by argmax and unravel_index, in a class


class MaxPool2:
    def iterate_regions(self, image):
        h, w, _ = image.shape
        for i in range(h // 2):
            for j in range(w // 2):
                yield image[(i * 2) : (i * 2 + 2), (j * 2) : (j * 2 + 2)], i, j

    def forward(self, input):
        self.last_input = input
        h, w, num_filters = input.shape
        output = np.zeros((h // 2, w // 2, num_filters))
        for im_region, i, j in self.iterate_regions(input):
            output[i, j] = np.amax(im_region, axis=(0, 1))
        return output

    def backprop(self, d_L_d_out):
        d_L_d_input = np.zeros(self.last_input.shape)
        for im_region, i, j in self.iterate_regions(self.last_input):
            h, w, f = im_region.shape
            for k in range(f):
                i2, j2 = np.unravel_index(np.argmax(im_region[:, :, k]), (h, w))
                d_L_d_input[i * 2 + i2, j * 2 + j2, k] = d_L_d_out[i, j, k]
        return d_L_d_input


def arguments_max_pool_class(rng, sizes=(5, 4, 3)):
    H, W, C = sizes
    return MaxPool2(), rng.normal(size=(H, W, C)), rng.normal(size=(H // 2, W // 2, C))


def loss_max_pool_class(pool, image, target):
    return 0.5 * np.sum((pool.forward(image) - target) ** 2)


def gradients_max_pool_class(pool, image, target):
    out = pool.forward(image)
    return pool.backprop(out - target)


# max pooling by reshape


def max_pool_forward_reshape(x, p):
    N, C, H, W = x.shape
    x_reshaped = x.reshape(N, C, H // p, p, W // p, p)
    out = x_reshaped.max(axis=3).max(axis=4)
    return out, (x, x_reshaped, out)


def max_pool_backward_reshape(dout, cache):
    x, x_reshaped, out = cache
    dx_reshaped = np.zeros_like(x_reshaped)
    out_newaxis = out[:, :, :, np.newaxis, :, np.newaxis]
    mask = x_reshaped == out_newaxis
    dout_newaxis = dout[:, :, :, np.newaxis, :, np.newaxis]
    dout_broadcast, _ = np.broadcast_arrays(dout_newaxis, dx_reshaped)
    dx_reshaped[mask] = dout_broadcast[mask]
    dx_reshaped /= np.sum(mask, axis=(3, 5), keepdims=True)
    dx = dx_reshaped.reshape(x.shape)
    return dx


def arguments_pool_reshape(rng, sizes=(2, 3, 4, 5)):
    N, C, OH, OW = sizes
    return rng.normal(size=(N, C, 2 * OH, 2 * OW)), 2, rng.normal(size=(N, C, OH, OW))


def loss_max_pool_reshape(x, p, dout):
    return np.sum(max_pool_forward_reshape(x, p)[0] * dout)


def gradients_max_pool_reshape(x, p, dout):
    return max_pool_backward_reshape(dout, max_pool_forward_reshape(x, p)[1])


# average pooling, backward by repeat


def avg_pool(x, p):
    N, C, H, W = x.shape
    return x.reshape(N, C, H // p, p, W // p, p).mean(axis=(3, 5))


def avg_pool_backward(dout, p):
    dx = np.repeat(np.repeat(dout, p, axis=2), p, axis=3)
    return dx / (p * p)


def loss_avg_pool(x, p, target):
    return 0.5 * np.sum((avg_pool(x, p) - target) ** 2)


def gradients_avg_pool(x, p, target):
    return avg_pool_backward(avg_pool(x, p) - target, p)


FIXTURES = [
    Fixture(
        name="conv_naive_loops",
        groups=(1, 2, 4, 6, 7, 9, 13),
        arguments=arguments_naive,
        loss=loss_naive,
        gradients=gradients_naive,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="conv_im2col_class",
        groups=(1, 2, 3, 4, 5, 6, 7, 8, 9, 13),
        arguments=arguments_im2col,
        loss=loss_im2col,
        gradients=gradients_im2col,
        wrt=("0.W", "0.b", "1"),
    ),
    Fixture(
        name="conv_im2col_indices",
        groups=(1, 2, 3, 4, 5, 6, 8, 10, 13, 19, 21),
        arguments=arguments_indices,
        loss=loss_indices,
        gradients=gradients_indices,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="conv1d_flipped_kernel",
        groups=(1, 2, 4, 5, 6, 7, 9, 13, 14),
        arguments=arguments_conv1d,
        loss=loss_conv1d,
        gradients=gradients_conv1d,
        wrt=("0", "1"),
    ),
    Fixture(
        name="max_pool_loops",
        groups=(1, 2, 4, 6, 7, 9, 12),
        arguments=arguments_max_pool,
        loss=loss_max_pool,
        gradients=gradients_max_pool,
        wrt=("0",),
    ),
    Fixture(
        name="max_pool_argmax_class",
        groups=(1, 2, 4, 6, 7, 9, 12, 18),
        arguments=arguments_max_pool_class,
        loss=loss_max_pool_class,
        gradients=gradients_max_pool_class,
        wrt=("1",),
    ),
    Fixture(
        name="max_pool_reshape",
        groups=(1, 2, 4, 6, 8, 11, 12, 17, 19),
        arguments=arguments_pool_reshape,
        loss=loss_max_pool_reshape,
        gradients=gradients_max_pool_reshape,
        wrt=("0",),
    ),
    Fixture(
        name="avg_pool_repeat",
        groups=(1, 2, 4, 8, 19),
        arguments=arguments_pool_reshape,
        loss=loss_avg_pool,
        gradients=gradients_avg_pool,
        wrt=("0",),
    ),
]
