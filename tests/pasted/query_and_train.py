# a network of three layers; lists of numbers go in, columns come out
import numpy


class Network:
    def __init__(self, inputnodes, hiddennodes, outputnodes, learningrate):
        self.lr = learningrate
        self.wih = numpy.random.normal(0.0, 0.5, (hiddennodes, inputnodes))
        self.who = numpy.random.normal(0.0, 0.5, (outputnodes, hiddennodes))
        self.activation = lambda z: 1 / (1 + numpy.exp(-z))

    def train(self, inputs, targets):
        hidden_outputs = self.activation(numpy.dot(self.wih, inputs))
        final_outputs = self.activation(numpy.dot(self.who, hidden_outputs))
        output_errors = targets - final_outputs
        hidden_errors = numpy.dot(self.who.T, output_errors * final_outputs * (1.0 - final_outputs))
        self.who += self.lr * numpy.dot(output_errors * final_outputs * (1.0 - final_outputs), hidden_outputs.T)
        self.wih += self.lr * numpy.dot(hidden_errors * hidden_outputs * (1.0 - hidden_outputs), inputs.T)

    def query(self, inputs):
        return self.activation(numpy.dot(self.who, self.activation(numpy.dot(self.wih, inputs))))
