#!/usr/bin/env bash
# istio-source.sh: prints the folder of Istio's source, samples and charts included, as ../peers/istio has it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$LAB_HOME/peers/istio"
go mod download istio.io/istio
go list -m -f '{{.Dir}}' istio.io/istio
