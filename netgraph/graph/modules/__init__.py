"""Networks of any kind as graphs: convolutions, attention, recurrent layers, whatever is registered here.

``parts`` and ``functions`` are the registries; ``trace`` and ``export`` read a module into the ``program``; ``execute``
and ``rebuild`` give it back; ``wiring`` says what its vertices and edges are; ``source``, ``record`` and ``onnx`` write
it down.
"""
