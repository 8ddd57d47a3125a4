"""Files of networks and states."""

from tests.kit.mutants.mutant import Mutant

SAVING = "tests/files/test_saving.py"
NETWORK = "tests/files/test_network.py"
STATE = "tests/files/test_state.py"
DAMAGE = "tests/files/test_damage.py"
SMALL = "tests/files/test_small_floats.py"
ANSWERS = "tests/files/test_answers.py"
ATOMIC = "tests/base/test_atomic_files.py"
GOLDEN = "tests/files/test_golden_models.py"
BUDGET = "tests/files/test_budget.py"
BOUNDS = "tests/base/test_budget.py"
NO_FILES = "tests/stories/test_no_files.py"

MUTANTS = [
    Mutant("files/network.py", "math.prod(shape) > budget.SAMPLE", "math.prod(shape) > 2**40", DAMAGE),
    Mutant("files/network.py", 'if description["version"] != VERSION:', 'if description["version"] > VERSION:', DAMAGE),
    Mutant("files/network.py", "if not parameter.trainable],", "if False],", NETWORK),
    Mutant("files/network.py", "p.trainable = name not in names", "p.trainable = True", NETWORK),
    Mutant("files/network.py", 'return {"same": self.numbers[id(value)]}', "pass", NETWORK),
    Mutant("files/network.py", "self.made[number] = made", "self.made[-1] = made", NETWORK),
    Mutant(
        "files/network.py",
        "isinstance(n, int) and n > 0 for n in shape",
        "isinstance(n, int) and n >= 0 for n in shape",
        DAMAGE,
    ),
    Mutant("files/network.py", "or layers != layers_made:", "or False:", SAVING),
    Mutant("files/state.py", "crc = zlib.crc32(tensor.tobytes(), crc)", "pass", STATE),
    Mutant("files/state.py", '"$" + key if key.startswith("$") else key', "key", STATE),
    Mutant("files/state.py", "version > VERSION", "version > VERSION + 1", STATE),
    Mutant("files/tensors.py", "astype(np.uint32) << 16)", "astype(np.uint32) << 15)", SMALL),
    Mutant("files/tensors.py", '8 + size + entry["data_offsets"][0]', "8 + size", SMALL),
    Mutant("files/answers.py", "if len(set(found)) < len(found):", "if False:", ANSWERS),
    Mutant("files/answers.py", "> budget.SAMPLE:", "> 2**40:", ANSWERS),
    Mutant(
        "files/answers.py",
        'settings["transform"] = Normalize(**settings["transform"])',
        'settings["transform"] = None',
        ANSWERS,
    ),
    Mutant(
        "files/trainable.py",
        "np.array(p.backend.to_numpy(p.value)) for p",
        "p.backend.to_numpy(p.value) for p",
        "tests/test_model.py",
    ),
    Mutant("base/atomic_files.py", "temporary.unlink(missing_ok=True)", "pass", ATOMIC),
    Mutant("base/file_kinds.py", "head[257:262]", "head[256:261]", "tests/base/test_file_kinds.py"),
    # what a file may ask for
    Mutant("base/budget.py", "allowed = VALUES + size // 4", "allowed = VALUES + size", BUDGET, "values"),
    Mutant("base/budget.py", 'WEIGHTS = {"{": 10', 'WEIGHTS = {"{": 1', BUDGET, "values"),
    Mutant("base/budget.py", "if depth > DEPTH:", "if depth > 2 * DEPTH:", BOUNDS),
    Mutant("base/budget.py", "calls + 1, work + calls + 1", "calls + 1, work + 1", BUDGET, "doubles"),
    Mutant("base/budget.py", "and 0 <= number < len(known)", "and number < len(known)", BUDGET, "themselves"),
    Mutant("base/budget.py", "if work > allowed:", "if work >= allowed:", BOUNDS),
    Mutant("base/budget.py", "if left.layers < 0:", "if left.layers < -1000:", BUDGET, "any_number_of_layers"),
    Mutant("base/budget.py", "if left.numbers < 0:", "if left.numbers < -(10**9):", BUDGET, "backed"),
    Mutant("base/budget.py", "if parameter.tied is None and not", "if not", BUDGET, "ones_own or tied"),
    Mutant("base/budget.py", "_within(None if left is None else copy.copy(left))", "_within(left)", BUDGET, "ones_own"),
    Mutant(
        "base/budget.py",
        "return sum(_numbers(each) for each in several)",
        "return max(_numbers(each) for each in several)",
        BOUNDS,
    ),
    Mutant(
        "base/budget.py",
        "allowed = max(UNPACKED[0], UNPACKED[1] * packed)",
        "allowed = min(UNPACKED[0], UNPACKED[1] * packed)",
        BOUNDS,
    ),
    Mutant("base/budget.py", "if size > allowed:", "if size < allowed:", BUDGET, "bomb"),
    Mutant(
        "base/budget.py",
        "outside, odd = piece[quotes % 2 == 0], int(quotes[-1]) % 2",
        "outside = piece[quotes % 2 == 0]",
        BOUNDS,
    ),
    Mutant("files/tensors.py", "> budget.TENSORS:", ">= budget.TENSORS:", BUDGET, "header"),
    # regular files alone
    Mutant("base/regular_files.py", "flags | _WAIT_FOR_NOBODY", "flags", NO_FILES, "meanwhile"),
    Mutant("base/regular_files.py", "_require_regular(os.fstat(descriptor))", "pass", NO_FILES, "meanwhile"),
    Mutant(
        "base/regular_files.py", "os.path.realpath(path) if os.path.islink(path) else path", "path", NO_FILES, "links"
    ),
    Mutant("base/regular_files.py", "file.truncate(end)", "pass", NO_FILES, "full_disk"),
    Mutant("base/regular_files.py", "while left:", "if left:", NO_FILES, "pieces"),
    Mutant("base/atomic_files.py", "os.O_CREAT | os.O_EXCL |", "os.O_CREAT |", NO_FILES, "plant"),
    Mutant("base/atomic_files.py", "0o666 if before is None else 0o600", "0o666", NO_FILES, "rights"),
    Mutant("base/atomic_files.py", "os.fchmod(descriptor, mode)", "pass", NO_FILES, "owner"),
    Mutant("base/atomic_files.py", "mode & 0o707 | (mode & 0o007) << 3", "mode", NO_FILES, "owner"),
]
