"""Writes a trained network as ONNX: uint8 [N, H, W, 3] `images` to float32 [N, dims] `embedding`.

Layer by layer rather than by tracing: the file depends on the weights alone, not on the version of an exporter. Batch norms are
folded into the convolutions before them.
"""

import numpy
from onnx import TensorProto, checker, helper, numpy_helper

OPSET, IR = 17, 8


def onnx_file(network, *, height, width, mean, deviation, centre, scale):
    """mean, deviation: of pixels 0–1, [3]. centre, scale: of the embedding, [dims]: it is (x − centre) · scale."""
    graph = _Graph()
    pixels = graph.node("Cast", "images", to=TensorProto.FLOAT)
    x = graph.node("Transpose", pixels, perm=[0, 3, 1, 2])
    x = graph.node("Mul", x, graph.constant(1 / (255 * deviation.reshape(1, 3, 1, 1))))
    x = graph.node("Sub", x, graph.constant((mean / deviation).reshape(1, 3, 1, 1)))
    for layer in network.stem:
        x = graph.node("Relu", graph.convolution(layer, x))
    means = []
    for blocks in network.stages:
        for block in blocks:
            around = x if block.around is None else graph.convolution(block.around, x)
            inner = graph.convolution(block.second, graph.node("Relu", graph.convolution(block.first, x)))
            x = graph.node("Relu", graph.node("Add", inner, around))
        means.append(graph.node("Flatten", graph.node("GlobalAveragePool", x)))
    joined = graph.node("Concat", *means[-2:], axis=1)
    centred = graph.node("Sub", joined, graph.constant(centre))
    graph.node("Mul", centred, graph.constant(scale), output="embedding")
    return graph.file(height, width, network.dims)


class _Graph:
    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, values):
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(numpy.ascontiguousarray(values, numpy.float32), name))
        return name

    def node(self, kind, *inputs, output=None, **attributes):
        output = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def convolution(self, layers, x):
        convolution, norm = layers
        weights = convolution.weight.detach().double().cpu().numpy()
        gain = (norm.weight / (norm.running_var.double() + norm.eps).sqrt()).detach().cpu().numpy()
        offset = norm.bias.detach().double().cpu().numpy() - norm.running_mean.double().cpu().numpy() * gain
        stride, pad = list(convolution.stride), list(convolution.padding)
        folded = self.constant(weights * gain.reshape(-1, 1, 1, 1)), self.constant(offset)
        return self.node("Conv", x, *folded, strides=stride, pads=pad + pad)

    def file(self, height, width, dims):
        images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", height, width, 3])
        embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", dims])
        graph = helper.make_graph(self.nodes, "self-supervised embedder", [images], [embedding], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="gyre")
        checker.check_model(model)
        return model.SerializeToString(deterministic=True)
