"""Several workers that train one network: what they exchange, and by which engine.

    mpiexec -n 4 python script.py       # the script as it is: `fit` takes its share of each batch
    xpnet train lenet5 --workers 4

Each batch is cut into *shards*, whose gradients are added as a fixed tree (tree.py), so that the weights are the same
bits on any number of workers.
"""

from xpnet.parallel.communicator import Communicator
from xpnet.parallel.engine import SHARDS, get_communicator, use_communicator, usual_shards

__all__ = ["SHARDS", "Communicator", "get_communicator", "use_communicator", "usual_shards"]
