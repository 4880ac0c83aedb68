"""Checks a job of `examples/ci/` against the schema of its service, and prints its commands: `jobs.py github|gitlab`."""

import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

SCHEMAS = {"github": ["vendor.github-workflows", "custom.github-workflows-require-timeout"], "gitlab": ["vendor.gitlab-ci"]}

service = sys.argv[1]
file = Path(__file__).parents[2] / f"examples/ci/{service}.yml"
for schema in SCHEMAS[service]:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, file]
    checked = subprocess.run(check, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
document = YAML(typ="safe").load(file)
job = document["jobs"]["switches"]["steps"] if service == "github" else document["switches"]
if service == "github":
    commands = [step["run"] for step in job if "run" in step]
else:
    commands = job["before_script"] + job["script"]
assert len(commands) >= 4, commands
print("\n".join(commands))
