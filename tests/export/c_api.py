"""Loads a SavedModel with TensorFlow's C API and XLA switched off, as TensorFlow Serving does, and runs it.

`TF_LoadSessionFromSavedModel` is the C++ loader and session that tensorflow_model_server is built on. This script
needs only ctypes and NumPy: neither Keras nor TensorFlow's Python package is imported. Run as

    python c_api.py libtensorflow_cc.so.2 JOBS.pickle REPLIES.pickle

where a job is (version folder, calls) and a call is (feeds, fetches): {tensor name: array} and [tensor name]. The
replies are, for every job and call, {tensor name: array} or a string if the call failed, and the peak memory in bytes.
"""

import ctypes
import pickle
import sys

import numpy as np

NUMPY_OF = {
    1: np.dtype("float32"),
    2: np.dtype("float64"),
    3: np.dtype("int32"),
    9: np.dtype("int64"),
    10: np.dtype("bool"),
}
TF_STRING, SIZEOF_TSTRING = 7, 24


class Output(ctypes.Structure):
    """TF_Output: an operation and which of its outputs."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class Session:
    """A SavedModel in a C++ session."""

    def __init__(self, library, folder):
        self.tf = load_library(library)
        self.graph, status = self.tf.TF_NewGraph(), self.tf.TF_NewStatus()
        tags = (ctypes.c_char_p * 1)(b"serve")
        self.session = self.tf.TF_LoadSessionFromSavedModel(
            self.tf.TF_NewSessionOptions(), None, str(folder).encode(), tags, 1, self.graph, None, status
        )
        self.check(status)

    def check(self, status):
        code, message = self.tf.TF_GetCode(status), self.tf.TF_Message(status).decode()
        self.tf.TF_DeleteStatus(status)
        if code:
            raise RuntimeError(f"code {code}: {message}")

    def output(self, name):
        operation, _, index = name.partition(":")
        found = self.tf.TF_GraphOperationByName(self.graph, operation.encode())
        if not found:
            raise KeyError(name)
        return Output(found, int(index))

    def run(self, feeds, fetches):
        """{name: array} for the fetches, or RuntimeError with the code and message of the failure."""
        tensors = [self.to_tensor(np.asarray(array)) for array in feeds.values()]
        results = (ctypes.c_void_p * len(fetches))()
        status = self.tf.TF_NewStatus()
        self.tf.TF_SessionRun(
            self.session,
            None,
            (Output * len(feeds))(*map(self.output, feeds)),
            (ctypes.c_void_p * len(feeds))(*tensors),
            len(feeds),
            (Output * len(fetches))(*map(self.output, fetches)),
            results,
            len(fetches),
            None,
            0,
            None,
            status,
        )
        for tensor in tensors:
            self.tf.TF_DeleteTensor(tensor)
        self.check(status)
        return {name: self.to_array(result) for name, result in zip(fetches, results, strict=True)}

    def answer(self, feeds, fetches):
        """As `run`, or the message of the failure."""
        try:
            return self.run(feeds, fetches)
        except RuntimeError as error:
            return str(error)

    def to_tensor(self, array):
        dims = (ctypes.c_int64 * array.ndim)(*array.shape)
        if array.dtype.kind == "S":
            tensor = self.tf.TF_AllocateTensor(TF_STRING, dims, array.ndim, array.size * SIZEOF_TSTRING)
            for i, text in enumerate(array.ravel().tolist()):
                slot = self.tf.TF_TensorData(tensor) + i * SIZEOF_TSTRING
                self.tf.TF_StringInit(slot)
                self.tf.TF_StringCopy(slot, text, len(text))
            return tensor
        dtype = {numpy: number for number, numpy in NUMPY_OF.items()}[array.dtype]
        tensor = self.tf.TF_AllocateTensor(dtype, dims, array.ndim, array.nbytes)
        ctypes.memmove(self.tf.TF_TensorData(tensor), np.ascontiguousarray(array).ctypes.data, array.nbytes)
        return tensor

    def to_array(self, tensor):
        shape = [self.tf.TF_Dim(tensor, axis) for axis in range(self.tf.TF_NumDims(tensor))]
        data, dtype = self.tf.TF_TensorData(tensor), self.tf.TF_TensorType(tensor)
        if dtype == TF_STRING:
            slots = [data + i * SIZEOF_TSTRING for i in range(int(np.prod(shape)))]
            texts = [
                ctypes.string_at(self.tf.TF_StringGetDataPointer(slot), self.tf.TF_StringGetSize(slot))
                for slot in slots
            ]
            array = np.array(texts, dtype=object).reshape(shape)
        else:
            numpy = NUMPY_OF[dtype]
            array = np.frombuffer(ctypes.string_at(data, int(np.prod(shape)) * numpy.itemsize), numpy).reshape(shape)
        self.tf.TF_DeleteTensor(tensor)
        return array


def load_library(path):
    """TensorFlow's C API with XLA disabled for this process."""
    tf = ctypes.CDLL(path)
    for name, (result, *arguments) in prototypes().items():
        getattr(tf, name).restype, getattr(tf, name).argtypes = result, arguments
    tf._ZN10tensorflow21DisableXlaCompilationEv()  # tensorflow::DisableXlaCompilation()
    return tf


def prototypes():
    """{function: [result, *arguments]} of what is used here, from tensorflow/c/c_api.h, tf_tensor.h, tf_tstring.h."""
    pointer, text, size, number, long = (
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int64,
    )  # fmt: skip
    pointers, texts, outputs = ctypes.POINTER(pointer), ctypes.POINTER(text), ctypes.POINTER(Output)
    return {
        "TF_NewGraph": [pointer],
        "TF_NewStatus": [pointer],
        "TF_NewSessionOptions": [pointer],
        "TF_GetCode": [number, pointer],
        "TF_Message": [text, pointer],
        "TF_DeleteStatus": [None, pointer],
        "TF_LoadSessionFromSavedModel": [
            pointer, pointer, pointer, text, texts, number, pointer, pointer, pointer,
        ],
        "TF_GraphOperationByName": [pointer, pointer, text],
        "TF_SessionRun": [
            None, pointer, pointer, outputs, pointers, number, outputs, pointers, number, pointers, number, pointer,
            pointer,
        ],
        "TF_AllocateTensor": [pointer, number, ctypes.POINTER(long), number, size],
        "TF_DeleteTensor": [None, pointer],
        "TF_TensorType": [number, pointer],
        "TF_TensorData": [pointer, pointer],
        "TF_NumDims": [number, pointer],
        "TF_Dim": [long, pointer, number],
        "TF_StringInit": [None, pointer],
        "TF_StringCopy": [None, pointer, text, size],
        "TF_StringGetDataPointer": [pointer, pointer],
        "TF_StringGetSize": [size, pointer],
    }  # fmt: skip


def main(library, jobs, replies):
    with open(jobs, "rb") as file:
        jobs = pickle.load(file)
    answers = []
    for folder, calls in jobs:
        session = Session(library, folder)
        answers.append([session.answer(feeds, fetches) for feeds, fetches in calls])
    assert not {"keras", "tensorflow"} & set(sys.modules)
    with open(replies, "wb") as file:
        pickle.dump((answers, peak_memory()), file)


def peak_memory():
    """Most bytes this program has held; getrusage would count the process that started it as well."""
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
