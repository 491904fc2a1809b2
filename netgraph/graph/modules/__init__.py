"""Networks of any kind as graphs: convolutions, attention, recurrent layers, whatever is registered here.

``parts`` and ``functions`` are the registries; ``trace`` and ``export`` read a module into the ``program``; ``execute``
builds it again; ``wiring`` finds its vertices and edges; ``source``, ``record`` and ``onnx`` write it down.
"""
