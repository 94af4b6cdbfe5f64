"""Reproduce a row of table 2 of Srivastava et al., Dropout (JMLR 15, 2014), with three seeds.

    python examples/dropout_2014.py --data-dir FOLDER

trains the preset dropout-2014 in runs/dropout-2014, with the options of train.py that are given, or goes on
where it was stopped. It leaves the metrics, the curves and the outcome in dropout-2014/ beside this file.
The paper has 1.06 % error for a network with dropout and max-norm, 3 layers of 1,024 ReLU units.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUN = Path("runs/dropout-2014")
KEPT = HERE / "dropout-2014"

new = ["--preset", "dropout-2014", "--seeds", "3", "--out", str(RUN), *sys.argv[1:]]
options = ["--resume", str(RUN)] if (RUN / "config.json").exists() else new
subprocess.run([sys.executable, str(HERE.parent / "train.py"), *options], check=True)

KEPT.mkdir(exist_ok=True)
shutil.copy(RUN / "summary.json", KEPT)
seconds = 0.0
for place in sorted(RUN.glob("seed-*")):
    shutil.copy(place / "metrics.csv", KEPT / f"{place.name}.csv")
    shutil.copy(place / "curves.png", KEPT / f"{place.name}.png")
    events = map(json.loads, (place / "log.jsonl").read_text(encoding="utf-8").splitlines())
    seconds += sum(event["seconds"] for event in events if event["event"] == "epoch")
summary = json.loads((RUN / "summary.json").read_text(encoding="utf-8"))
print(f"Mean error {100 * (1 - summary['mean']):.3f} %, paper 1.06 %, after {seconds / 60:.0f} minutes")
