import numpy as np

def conv_forward(img, filters, bias):
    n, h, w = img.shape
    nf, k, _ = filters.shape
    out = np.zeros((n, nf, h - k + 1, w - k + 1))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            patch = img[:, i:i+k, j:j+k]
            out[:, :, i, j] = np.tensordot(patch, filters, axes=([1, 2], [1, 2])) + bias
    return out

def conv_backward(d_out, img, filters):
    k = filters.shape[1]
    d_filters = np.zeros_like(filters)
    d_img = np.zeros_like(img)
    for i in range(d_out.shape[2]):
        for j in range(d_out.shape[3]):
            g = d_out[:, :, i, j]
            d_filters += np.tensordot(g, img[:, i:i+k, j:j+k], axes=([0], [0]))
            d_img[:, i:i+k, j:j+k] += np.tensordot(g, filters, axes=([1], [0]))
    d_bias = d_out.sum(axis=(0, 2, 3))
    return d_filters, d_bias, d_img

def softmax(s):
    e = np.exp(s - s.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)

np.random.seed(10)
images = np.random.randn(12, 6, 6)
labels = (images[:, 2, 2] > 0).astype(int)
filters = np.random.randn(3, 3, 3) / 3
conv_b = np.zeros(3)
fc_w = np.random.randn(3 * 4 * 4, 2) * 0.1
fc_b = np.zeros(2)

for epoch in range(15):
    feat = conv_forward(images, filters, conv_b)
    act = np.maximum(feat, 0)
    flat = act.reshape(len(images), -1)
    probs = softmax(flat @ fc_w + fc_b)
    loss = -np.log(probs[np.arange(len(labels)), labels]).mean()
    d_scores = probs.copy()
    d_scores[np.arange(len(labels)), labels] -= 1
    d_scores /= len(labels)
    d_fc_w = flat.T @ d_scores
    d_fc_b = d_scores.sum(0)
    d_act = (d_scores @ fc_w.T).reshape(act.shape)
    d_feat = d_act * (feat > 0)
    d_filters, d_conv_b, _ = conv_backward(d_feat, images, filters)
    for prm, gr in ((filters, d_filters), (conv_b, d_conv_b), (fc_w, d_fc_w), (fc_b, d_fc_b)):
        prm -= 0.2 * gr
    print(epoch, loss)
