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

MUTANTS = [
    Mutant("files/network.py", "LARGEST_INPUT = 2**26", "LARGEST_INPUT = 2**40", DAMAGE),
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
    Mutant("files/answers.py", "LARGEST_PICTURE = 2**26", "LARGEST_PICTURE = 2**40", ANSWERS),
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
]
