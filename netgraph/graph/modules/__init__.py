"""Networks of any kind as graphs: convolutions, attention, recurrent layers, whatever is registered here.

``registry`` and ``functions`` hold the layers and operations; ``trace`` and ``export`` read a module into the
``program``; ``execute`` builds it again; ``wiring`` finds its nodes and edges by the ``rules``, those of composite
layers by their ``decompose``-d forward; ``source``, ``onnx`` and ``files`` write it down.
"""
