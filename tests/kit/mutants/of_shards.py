"""Training in shards: how batches are cut, what shards tell, the order of sums, who waits for whom."""

from tests.kit.mutants.mutant import Mutant

TREE = "tests/parallel/test_tree.py"
CUTS = "tests/data/test_shards.py"
TURNS = "tests/base/test_turns.py"
SHARDS = "tests/training/test_shards.py"
FEEDS = "tests/training/test_shards_of_feeds.py"
STEPS = "tests/training/test_shards_of_steps.py"
FIT = "tests/training/test_shards_and_fit.py"
WORKERS = "tests/training/test_shards_of_workers.py"
ENGINE = "tests/parallel/test_engine.py"

MUTANTS = [
    # how a batch is cut, and who has which part
    Mutant("data/shards.py", "first = shard * size + min(shard, more)", "first = shard * (size + (more > 0))", CUTS),
    Mutant("data/shards.py", "max(0, min(owned.stop, more) - owned.start)", "min(len(owned), more)", CUTS),
    Mutant(
        "data/loader.py",
        "yield make, indices[rows], _key_of(key, shard), number",
        "yield make, indices[rows], key, number",
        CUTS,
    ),
    Mutant(
        "training/shares.py", "or shards != self.shards or self.number != self.next", "or shards != self.shards", FEEDS
    ),
    Mutant("parallel/engine.py", "1 << (workers - 1).bit_length()", "1 << workers.bit_length()", ENGINE),
    # the order of sums
    Mutant("parallel/tree.py", "while start % (2 * size) == 0 and", "while", TREE),
    Mutant("parallel/tree.py", "range(leaves * worker // workers,", "range(leaves // workers * worker,", TREE),
    Mutant(
        "training/shared_evaluation.py",
        "        if counts:\n            tree.add(Node(shard, 1)",
        "        if shard >= 0:\n            tree.add(Node(shard, 1)",
        FEEDS,
    ),
    # what a shard counts for
    Mutant("training/flat_gradients.py", "flat *= factor", "flat *= 1.0", SHARDS),
    Mutant("training/sharded.py", "1 / (weight or 1)", "1 / self.samples", SHARDS),
    Mutant("training/sharded.py", "if id(p) in own])\n", "if id(p) not in own])\n", STEPS),
    Mutant("training/sharded.py", "self._weigh_batch(float(self.weight))", "pass", SHARDS),
    Mutant("training/shard.py", "raise NotFinite(loss / self.ledger.samples)", "pass", STEPS),
    Mutant("training/shard.py", "if float(total[1]) != self.signature * shards:", "if False:", STEPS),
    Mutant("training/shard.py", "random.drawing_for(self.first)", "random.drawing_for(0)", SHARDS),
    Mutant("training/shard.py", "ledger.add(mean, known)", "ledger.add(mean, known and 3)", FIT),
    Mutant("training/shard.py", "ledger.add(var, known * known / max(known - 1, 1))", "ledger.add(var, known)", FIT),
    Mutant("training/shard.py", "[self.first : self.first + self.samples, ...]", "[: self.samples, ...]", SHARDS),
    Mutant("training/shard.py", "return self.backend.lazy and not self.own and", "return", STEPS),
    Mutant(
        "training/ledger.py",
        "whole[self.first : self.first + found.shape[0]] = found",
        "whole[: found.shape[0]] = found",
        SHARDS,
    ),
    # who waits for whom, and how it ends
    Mutant(
        "training/run.py",
        "                self._agree_to_stop()  # callbacks",
        "                if ends:\n                    self._agree_to_stop()  # callbacks",
        WORKERS,
    ),
    Mutant("base/turns.py", "            self._thread.join()", "            pass", TURNS),
    Mutant("base/turns.py", "        if self._abandoned:  # it asks", "        if False:  # it asks", TURNS),
]
