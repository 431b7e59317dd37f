"""A network with the doors of YuNet that finds bright places, 32 pixels wide on a grid of 32."""

import numpy as np
import onnx

STRIDES = (8, 16, 32)
CHANNELS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


def write_yunet(path):
    """Its twelve outputs (1, N, C), N = places of a stride; all but the score at stride 32 are zero."""
    nodes, weights, outputs = [], [], []
    for kind, num in CHANNELS.items():
        for stride in STRIDES:
            name = f"{kind}_{stride}"
            looks = kind in ("cls", "obj") and stride == STRIDES[-1]
            kernel = np.full((num, 3, stride, stride), looks / (3 * 255 * stride**2), np.float32)
            weights += [
                onnx.numpy_helper.from_array(kernel, f"{name}_kernel"),
                onnx.numpy_helper.from_array(np.array([1, -1, num]), f"{name}_shape"),
            ]
            sizes = {"kernel_shape": [stride] * 2, "strides": [stride] * 2}
            nodes += [
                onnx.helper.make_node("Conv", ["input", f"{name}_kernel"], [f"{name}_map"], **sizes),
                onnx.helper.make_node("Transpose", [f"{name}_map"], [f"{name}_last"], perm=[0, 2, 3, 1]),
                onnx.helper.make_node("Reshape", [f"{name}_last", f"{name}_shape"], [name]),
            ]
            outputs.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, None, num]))
    inputs = [onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, None, None])]
    graph = onnx.helper.make_graph(nodes, "yunet", inputs, outputs, weights)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 12)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path
