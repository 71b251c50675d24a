#!/usr/bin/env python
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    x = x - np.max(x)
    e = np.exp(x)
    return e / e.sum()


def naiveSoftmaxLossAndGradient(centerWordVec, outsideWordIdx, outsideVectors):
    """ Full softmax over the vocabulary for one (center, outside) pair

    Arguments:
    centerWordVec -- embedding of the word in the middle, shape (dim, )
    outsideWordIdx -- row number of the context word, an int
    outsideVectors -- context embeddings of the whole vocabulary,
                    one per row, shape (vocab size, dim)

    Return:
    loss -- minus log probability of the context word
    gradCenterVec -- shape (dim, )
    gradOutsideVecs -- shape (vocab size, dim)
    """
    y_hat = softmax(outsideVectors.dot(centerWordVec))
    loss = -np.log(y_hat[outsideWordIdx])

    delta = y_hat.copy()
    delta[outsideWordIdx] -= 1
    gradCenterVec = outsideVectors.T.dot(delta)
    gradOutsideVecs = np.outer(delta, centerWordVec)
    return loss, gradCenterVec, gradOutsideVecs


def skipgram(currentCenterWord, outsideWords, word2Ind,
             centerWordVectors, outsideVectors,
             word2vecLossAndGradient=naiveSoftmaxLossAndGradient):
    """ Adds up loss and gradients over the words of one window

    Arguments:
    currentCenterWord -- the word in the middle, a string
    outsideWords -- the words around it, list of strings
    word2Ind -- dict from word to row number
    centerWordVectors -- one row per word, shape (vocab size, dim)
    outsideVectors -- one row per word, shape (vocab size, dim)

    Return:
    loss, gradCenterVecs, gradOutsideVectors
    """
    loss = 0.0
    gradCenterVecs = np.zeros(centerWordVectors.shape)
    gradOutsideVectors = np.zeros(outsideVectors.shape)

    c = word2Ind[currentCenterWord]
    for w in outsideWords:
        l, gc, go = word2vecLossAndGradient(centerWordVectors[c], word2Ind[w], outsideVectors)
        loss += l
        gradCenterVecs[c] += gc
        gradOutsideVectors += go

    return loss, gradCenterVecs, gradOutsideVectors
