"""Callbacks."""

from tests.kit.mutants.mutant import Mutant

EMA = "tests/callbacks/test_ema.py"
STOPPING = "tests/callbacks/test_stopping.py"
CALLBACKS = "tests/callbacks/test_callbacks.py"
PLATEAU = "tests/callbacks/test_plateau.py"
LOGS = "tests/callbacks/test_log_callbacks.py"
BACKUP = "tests/callbacks/test_backup.py"
RESET = "tests/callbacks/test_reset_state.py"
COMPARISON = "tests/callbacks/test_comparison.py"
LEADERS = "tests/callbacks/test_leaders.py"

MUTANTS = [
    Mutant("callbacks/ema.py", "(1 + step) / (10 + step)", "step / (10 + step)", EMA),
    Mutant(
        "callbacks/stopping.py",
        "if self.wait >= max(self.patience, 1):",
        "if self.wait > max(self.patience, 1):",
        CALLBACKS,
    ),
    Mutant("callbacks/stopping.py", "if better:\n            self.wait = 0", "if better:\n            pass", CALLBACKS),
    Mutant("callbacks/stopping.py", "self.restore()\n", "pass\n", CALLBACKS),
    Mutant(
        "callbacks/stopping.py",
        "(batch + 1) % self.every == 0:\n            self.candidate",
        "batch % self.every == 0:\n            self.candidate",
        STOPPING,
    ),
    Mutant("callbacks/stopping.py", "optimizer.state.clear()", "pass", STOPPING),
    Mutant("callbacks/stopping.py", "s + 60 * m + 3600 * h", "s + 60 * m + 60 * h", STOPPING),
    Mutant(
        "callbacks/stopping.py", "self.clock() - self.start >= self.seconds", "self.clock() >= self.seconds", STOPPING
    ),
    Mutant(
        "callbacks/monitor.py",
        "value - self.best if rises else self.best - value",
        "self.best - value if rises else self.best - value",
        CALLBACKS,
    ),
    Mutant("callbacks/monitor.py", "not gain > self.min_delta", "not gain >= self.min_delta", CALLBACKS),
    Mutant(
        "callbacks/monitor.py",
        'self.best_epoch, self.best_weights, _ = state["best_epoch"], state["best_weights"], state["best"]',
        "pass",
        CALLBACKS,
    ),
    Mutant("callbacks/plateau.py", "max(self.factor, self.min_lr / rate)", "self.factor", PLATEAU),
    Mutant(
        "callbacks/plateau.py",
        "0 if better or self.cooling else self.wait + 1",
        "0 if better else self.wait + 1",
        PLATEAU,
    ),
    Mutant("callbacks/plateau.py", "self.wait >= self.patience", "self.wait > self.patience", PLATEAU),
    Mutant("callbacks/plateau.py", 'optimizer.lr_scale = float(state["lr_scale"][name])', "pass", PLATEAU),
    Mutant("callbacks/model_checkpoint.py", "epoch=epoch + 1, **logs", "epoch=epoch, **logs", CALLBACKS),
    Mutant(
        "callbacks/model_checkpoint.py",
        "if self.save_best_only and not self.improved(logs):",
        "if self.save_best_only and self.improved(logs) is None:",
        CALLBACKS,
    ),
    Mutant(
        "callbacks/model_checkpoint.py",
        "self.model.save_weights if self.save_weights_only",
        "self.model.save_weights if False",
        CALLBACKS,
    ),
    Mutant("callbacks/csv_log.py", "key=lambda name: name == RATE", "key=lambda name: name != RATE", CALLBACKS),
    Mutant("callbacks/csv_log.py", 'row = {"epoch": epoch + 1}', 'row = {"epoch": epoch}', CALLBACKS),
    Mutant("callbacks/csv_log.py", 'self.columns = state["columns"]', "pass", BACKUP),
    Mutant("callbacks/epoch_log.py", "self.file.truncate(self.start)", "pass", LOGS),
    Mutant("callbacks/json_lines.py", "file.truncate(kept)", "pass", LOGS),
    Mutant("callbacks/ema.py", "if steps != self._seen:", "if True:", EMA),
    Mutant("callbacks/ema.py", "share = 1 - self.rate(self.steps)", "share = self.rate(self.steps)", EMA),
    Mutant("callbacks/ema.py", "average[...] = p.value\n", "pass\n", EMA),
    Mutant(
        "callbacks/ema.py",
        "self.steps, self._seen = steps, self",
        "self.steps, self._seen = 0, self",
        EMA,
    ),
    Mutant("callbacks/backup.py", "(batch + 1) % self.every == 0", "batch % self.every == 0", BACKUP),
    Mutant("callbacks/backup.py", "random.set_state(self.random)", "pass", BACKUP),
    Mutant("callbacks/backup.py", "None not in (seed, own) and seed != own", "False", COMPARISON, "another_seed"),
    Mutant("callbacks/backup.py", "if not self.keep:", "if self.keep:", BACKUP),
    Mutant(
        "callbacks/base.py",
        "                write()\n            callback",
        "                pass\n            callback",
        LEADERS,
    ),
    Mutant(
        "callbacks/epoch_log.py",
        "self._open(INHERITED)\n        self._bring_up_to_date()",
        "self._open(INHERITED)",
        LEADERS,
    ),
    Mutant(
        "callbacks/csv_log.py",
        "header = self.header\n",
        "header = self._read_header() if self.append and os.path.exists(self.path) else []\n",
        LEADERS,
    ),
    Mutant("callbacks/history.py", "rates[len(rates) // 2] if rates", "rates[0] if rates", CALLBACKS),
]
