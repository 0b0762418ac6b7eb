#!/usr/bin/env bash
# check.sh: what the cluster can do, one line each; exit code 1 where something fails.
set -uo pipefail # a failed check is counted
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$CLUSTER_HOME/check"

failed=0

# check WHAT FUNCTION: the function runs in a shell of its own, with an error ending it.
check() {
  local what=$1 function=$2 output
  if output=$(timeout 60 bash -euo pipefail -c "$function" 2>&1); then
    echo "ok   $what"
  else
    echo "FAIL $what: $(tail -n 3 <<< "$output" | tr '\n' ' ')"
    failed=1
  fi
}

# retry TIMES COMMAND...: every half second.
retry() {
  local tries=$1
  shift
  for ((; tries > 0; tries--)); do
    ! "$@" || return 0
    sleep 0.5
  done
  return 1
}

# field OBJECT JSONPATH [ARGUMENT...]
field() {
  local object=$1 path=$2
  shift 2
  kubectl "$@" get "$object" -o "jsonpath={$path}"
}

in_demo() {
  kubectl -n demo exec "$@"
}

get() {
  curl -sf --max-time 3 "$1"
}

executes() { kubectl exec bb -- id | grep uid=0; }
has_logs() { kubectl -n demo logs deploy/server -c app | grep listening; }

forwards_ports() {
  kubectl port-forward pod/bb 18080:8080 &
  trap "kill $!" EXIT
  retry 20 get http://127.0.0.1:18080/
}

reaches_cluster_ip() { get "http://$(field svc/bb .spec.clusterIP)/"; }
reaches_pod_ip() { get "http://$(field pod/bb .status.podIP):8080/"; }

reaches_itself() {
  local request="printf 'GET / HTTP/1.0\r\n\r\n'"
  kubectl exec bb -- sh -c "$request | nc -w 3 $(field svc/bb .spec.clusterIP) 80" | grep 200
}

passes_both_proxies() {
  local answer
  answer=$(in_demo deploy/client -c curl -- curl -sS -i --max-time 5 http://server/)
  [ "$(grep -c 'x-lab-.*: yes' <<< "$answer")" = 2 ]
}

confines_the_proxy() {
  local status
  status=$(in_demo deploy/server -c istio-proxy -- cat /proc/1/status)
  grep -P 'Uid:\t1337' <<< "$status"
  grep -P 'CapEff:\t0000000000000000' <<< "$status"
}

uses_both_endpoints() {
  local hosts='' address
  for address in $(kubectl -n demo get pod -l app=server -o 'jsonpath={.items[*].status.podIP}'); do
    hosts+=$(in_demo deploy/client -c curl -- curl -s "http://$address:8080/" | grep -o 'server-[a-z0-9-]*' | head -n 1)$'\n'
  done
  [ "$(sort -u <<< "$hosts" | grep -c server)" = 2 ]
}

serves_node_ports() { retry 20 get "http://$NODE_IP:30080/"; }

has_restarted() { [ "$(field pod/live '.status.containerStatuses[0].restartCount')" -ge 1 ]; }
restarts_the_dead() { retry 40 has_restarted; }

was_killed() { [ "$(field pod/oom '.status.containerStatuses[0].state.terminated.reason')" = OOMKilled ]; }
limits_memory() { retry 40 was_killed; }

has_succeeded() { [ "$(field pod/seccomp .status.phase)" = Succeeded ]; }
filters_system_calls() { retry 40 has_succeeded; }
ends_native_sidecars() { kubectl wait --for=condition=complete job/sidecarjob --timeout=30s; }

reviews_tokens() {
  local token review
  token=$(kubectl -n demo create token server --audience istio-ca)
  review=$(jq -n --arg token "$token" \
    '{apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: {audiences: ["istio-ca"], token: $token}}')
  kubectl create -o 'jsonpath={.status.authenticated}{.status.user.username}' -f - <<< "$review" |
    grep truesystem:serviceaccount:demo:server
}

denies_by_role() {
  [ "$(kubectl auth can-i list secrets --as system:serviceaccount:demo:server -n demo)" = no ]
}

mounts_credentials() {
  # shellcheck disable=SC2016 # read in the pod
  in_demo deploy/client -c istio-proxy -- sh -c '
    cd /var/run/secrets/kubernetes.io/serviceaccount
    curl -sS --cacert ca.crt -H "Authorization: Bearer $(cat token)" https://kubernetes.default.svc/api' | grep APIVersions
}

measures_pods() {
  kubectl get --raw "/api/v1/nodes/$NODE/proxy/stats/summary" |
    jq -e '.pods[] | select(.podRef.name == "bb") | .containers[0].memory.workingSetBytes > 0'
}

run_pod() { kubectl -n demo run inj --image=busybox:1.35 --labels=inject=yes --command -- sleep 1000; }

calls_webhooks() {
  retry 10 run_pod
  kubectl -n demo wait --for=condition=Ready pod/inj --timeout=20s
  field pod/inj '.spec.containers[*].name' -n demo | grep injected
}

deletes_pods() { kubectl delete pod bb --timeout=20s; }

start_webhook() {
  local key=$RUN/webhook.key certificate=$RUN/webhook.crt
  if [ ! -f "$certificate" ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$key" -out "$certificate" -days 30 \
      -subj /CN=webhook -addext "subjectAltName=DNS:webhook.demo.svc" 2> /dev/null
  fi
  python3 webhook.py "$HOST_IP" "$certificate" "$key" &
  webhook=$!
  sed -e "s|@HOST_IP@|$HOST_IP|" -e "s|@CA@|$(base64 -w0 "$certificate")|" webhook.yaml > "$RUN/webhook.yaml"
  kubectl apply -f "$RUN/webhook.yaml" > /dev/null
}

stop_webhook() {
  kubectl delete -f "$RUN/webhook.yaml" --wait=false > /dev/null
  kubectl -n demo delete pod inj --now > /dev/null
  kill "$webhook"
}

export NODE NODE_IP
# shellcheck disable=SC2046 # a list of names
export -f $(declare -F | cut -d' ' -f3)

kubectl apply -f smoke.yaml -f demo.yaml > /dev/null
kubectl wait --for=condition=Ready pod/bb --timeout=60s > /dev/null
kubectl -n demo wait --for=condition=Available deploy --all --timeout=90s > /dev/null
check "exec" executes
check "logs" has_logs
check "port-forward" forwards_ports
check "host to ClusterIP" reaches_cluster_ip
check "host to pod IP" reaches_pod_ip
check "pod to its own service (hairpin)" reaches_itself
check "mesh: DNS, iptables REDIRECT and Envoy on both sides" passes_both_proxies
check "Envoy runs as 1337, without capabilities" confines_the_proxy
check "both endpoints are used" uses_both_endpoints
kubectl apply -f kubelet.yaml > /dev/null
check "NodePort" serves_node_ports
check "failed liveness probe restarts" restarts_the_dead
check "memory limit: OOMKilled" limits_memory
check "seccomp RuntimeDefault" filters_system_calls
check "Job with a native sidecar completes" ends_native_sidecars
check "TokenRequest and TokenReview" reviews_tokens
check "RBAC denies" denies_by_role
check "API access with the mounted token" mounts_credentials
check "resource statistics of pods" measures_pods
start_webhook
check "mutating webhook through a Service" calls_webhooks
stop_webhook
kubectl delete -f kubelet.yaml --now > /dev/null 2>&1
check "pod deletion is clean" deletes_pods
exit "$failed"
