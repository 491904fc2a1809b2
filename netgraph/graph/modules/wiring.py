import numpy as np
class W:
    num_nodes=0
    groups=()
def wire(program): return W()
