"""What all rooms stand on: random numbers, parameters, networks and models."""

from tests.kit.mutants.mutant import Mutant

TIME_DISTRIBUTED = "tests/layers/test_time_distributed.py"
OUTPUTS = "tests/core/test_outputs.py"
RANDOM = "tests/test_random.py"
DRAWS = "tests/training/test_draws.py"
TAPE = "tests/core/test_tape.py"
FLAT = "tests/core/test_flat.py"
PARAMETER = "tests/core/test_parameter.py"
NESTING = "tests/core/test_nesting.py"
CHAINS = "tests/core/test_chains.py"
MODEL = "tests/test_model.py"
BUILD = "tests/core/test_build.py"
CARRIED = "tests/core/test_carried.py"
NAMES = "tests/files/test_budget.py::test_names_are_what_they_were"
LOCKS = "tests/base/test_locks.py"
SWITCH = "tests/backend/test_switch.py"
BLOCKS = "tests/backend/test_switch_blocks.py"
PLAN = "tests/core/plan"

MUTANTS = [
    Mutant("core/plan.py", "if Edits.last == self._last else self._unedited(network))", "if True else False)", PLAN),
    Mutant("core/plan.py", "map(operator.is_, chain.from_iterable(self._views), self._seen)", "()", PLAN),
    Mutant("core/plan.py", "and self._lists == self._copies", "", PLAN),
    Mutant("core/plan.py", "network._edited == self._edits[0] if", "True if", PLAN),
    Mutant("core/plan.py", "layers[1:]", "layers", PLAN),
    Mutant("core/trace.py", "written.held += held_in(layer)", "pass", PLAN),
    Mutant("core/fixed.py", "if each is network or not is_library(type(each))", "if each is network", PLAN),
    Mutant("core/trace.py", "del written.recorder._trace", "pass", PLAN),
    Mutant("core/trace.py", "layer.check(*map(_array, values))", "pass", PLAN),
    Mutant("core/plan.py", "all(map(operator.is_, map(_value, self._parameters), self._values))", "True", PLAN),
    Mutant("core/plan.py", "if interceptions or not network.is_built:", "if not network.is_built:", PLAN),
    Mutant("core/plan.py", "len(x) > most or interceptions or", "len(x) > most or", PLAN),
    Mutant("core/plan.py", "len(x) > most or interceptions", "interceptions", PLAN),
    Mutant("core/plan.py", "return Plans()  # a copy", "return self  # a copy", PLAN),
    Mutant("core/trace.py", "if train != self.train or layer.backend", "if layer.backend", PLAN),
    Mutant("core/trace.py", "if forward and math", "if math", PLAN),
    Mutant("core/trace.py", "(*noted.indices, index)", "(index,)", PLAN),
    Mutant("core/trace.py", "elif _does_more(layer):", "if layer.composite is None:", PLAN),
    Mutant("core/fixed.py", '"STORE_ATTR", ', "", PLAN),
    Mutant(
        "core/fixed.py",
        "any(_is_module_or_layer(getattr(module, name, None)) for",
        "any(hasattr(module, name) for",
        PLAN,
    ),
    Mutant("core/fixed.py", "return _is_module_or_layer(value) or", "return True or", PLAN),
    Mutant("core/layer.py", 'object.__setattr__(self, "_edited", Edits.next())', "pass", PLAN),
    Mutant("core/layer.py", 'vars(self)["_edited"] = Edits.next()', "pass", PLAN),
    Mutant("core/layer.py", ", _edited=Edits.next())", ")", PLAN),
    Mutant("random.py", "state.first_sample * steps", "state.first_sample", TIME_DISTRIBUTED),
    Mutant("core/outputs.py", "if dy is None else dy for", "if dy is None else -dy for", OUTPUTS),
    Mutant("random.py", "state.taken.get(text, 0)", "sum(state.taken.values())", RANDOM, "not fork"),
    Mutant("random.py", "_inside.reset(self.token)", "_inside.set(None)", RANDOM, "not fork"),
    Mutant(
        "random.py",
        "self.apart, self.first_sample, self.root\n        return",
        "False, 0, 0\n        return",
        RANDOM,
        "not fork",
    ),
    Mutant("core/located.py", "own.root, own.path, *attribute)", "own.root, *attribute)", DRAWS),
    Mutant("core/located.py", "next_key(own.root - random.first_root(), own", "next_key(own.root, own", DRAWS),
    Mutant("core/located.py", "and not random.is_apart()", "", DRAWS),
    Mutant("core/network.py", "self.locate()  # which stays", "# which stays", DRAWS),
    Mutant(
        "core/located.py", 'drawing_next(own.root - random.first_root(), own.path, "step"', 'drawing_next("step"', DRAWS
    ),
    Mutant("core/tape.py", "grads[x] + dx if x in grads else dx", "dx", TAPE),
    Mutant("core/tape.py", "lambda dy: (dy, dy)", "lambda dy: (dy, -dy)", TAPE),
    # random states
    Mutant("random.py", "self.fresh = self.fresh and _current().fresh", "pass", RANDOM, "chosen_stays_in_a_forked"),
    Mutant(
        "random.py",
        "self.taken.copy(), self.chosen, self.fresh",
        "self.taken, self.chosen, self.fresh",
        RANDOM,
        "not fork",
    ),
    Mutant("random.py", 'f"{key[0]} {key[1]} {parts}"', 'f"{key[0]} {parts}"', RANDOM, "not fork"),
    Mutant("random.py", "return ascii([word if", "return str([word if", RANDOM, "not fork"),
    Mutant("random.py", "[0, 0, number, place]", "[0, 0, number, 0]", RANDOM, "not fork"),
    Mutant("random.py", "not 0 <= value < 2**63", "not 0 <= value < 2**64", RANDOM, "not fork"),
    # parameters side by side
    Mutant("core/flat.py", "self.size += -(-p.size // self.ALIGNMENT) * self.ALIGNMENT", "self.size += p.size", FLAT),
    Mutant("core/flat.py", "all(p.flat is self for p in parameters)", "True", FLAT),
    Mutant("core/parameter.py", "if array is None or gradient.lent:", "if array is None:", PARAMETER),
    Mutant(
        "core/parameter.py", "gradient.lent or gradient.source is not None", "gradient.source is not None", PARAMETER
    ),
    Mutant("core/parameter.py", "array += source", "pass", PARAMETER),
    Mutant("core/parameter.py", "array is None or gradient.lent or not", "array is None or not", PARAMETER),
    Mutant("core/parameter.py", "= part, part, False", "= part, part, gradient.lent", FLAT),
    Mutant("core/chains.py", "functools.partial(backs[at], relu=True)", "backs[at]", MODEL),
    Mutant("core/chains.py", "range(1, len(layers) if train else 0)", "range(1, len(layers))", CHAINS),
    Mutant("core/chains.py", "x.tape is y.tape and", "", CHAINS),
    Mutant("model.py", "first = 0 if need_dx else self._first_trained()", "first = 0 if need_dx else 1", MODEL),
    Mutant("base/numbered.py", "max(number, self._largest.get(stem, 0))", "self._largest.get(stem, 0) + 1", MODEL),
    Mutant(
        "model.py",
        "counts.setdefault(id(layer), layer.parameter_count(shape))",
        "counts[len(counts)] = layer.parameter_count(shape)",
        MODEL,
    ),
    Mutant(
        "base/nested.py",
        "value.values() if isinstance(value, dict) else value\n        return [leaf",
        "value\n        return [leaf",
        "tests/training/test_several.py",
    ),
    Mutant("base/mosaic.py", "math.ceil(n / columns)", "n // columns", "tests/base/test_mosaic.py"),
    Mutant("base/mosaic.py", "(H + gap) * (i // columns)", "(W + gap) * (i // columns)", "tests/base/test_mosaic.py"),
    Mutant("base/lookup.py", "name = aliases.get(name, name)", "pass", "tests/base/test_lookup.py"),
    # names that end in numbers
    Mutant("base/numbered.py", "self._largest.get('', 0)", "0", NAMES),
    Mutant("base/numbered.py", "while start and name", "if start and name", NAMES),
    # locks and forks
    Mutant("base/locks.py", "_give_back(taken)\n                waiting", "waiting", LOCKS),
    Mutant("base/locks.py", "taken = waiting[:1]", "taken = []", LOCKS),
    Mutant("base/locks.py", "known.renew()", "pass", LOCKS),
    Mutant(
        "base/locks.py",
        "_give_back(_taken.pop(threading.get_ident(), []))",
        "_taken.pop(threading.get_ident(), [])",
        LOCKS,
    ),
    Mutant("base/locks.py", "if not taken and hasattr(", "if taken and hasattr(", LOCKS),
    # the switch
    Mutant(
        "backend/__init__.py",
        "if each is not block and each.within is not block",
        "if each is not block",
        SWITCH,
        "holds_to_the_end",
    ),
    Mutant("backend/__init__.py", "block.left = True", "pass", BLOCKS),
    Mutant("backend/__init__.py", "if call.thread is None or call.final:", "if True:", BLOCKS),
    Mutant("backend/__init__.py", "call.thread = None  # it is no block's", "pass  # it is no block's", BLOCKS),
    Mutant("backend/__init__.py", "_calls = tuple(call for call in _calls if call is not self._call)", "pass", BLOCKS),
    Mutant(
        "backend/__init__.py",
        "([block for block in _inside.get() if block in self._blocks] or self._blocks)[-1]",
        "self._blocks[-1]",
        BLOCKS,
    ),
    Mutant("backend/__init__.py", "self._call.thread = None  # whoever", "pass  # whoever", BLOCKS),
    Mutant("backend/__init__.py", "enumerate(calls) if each.final", "enumerate(calls)", BLOCKS),
    Mutant(
        "backend/__init__.py",
        "_Block(self.backend, around.within or around)",
        "_Block(self.backend)",
        SWITCH,
        "holds_to_the_end",
    ),
]
