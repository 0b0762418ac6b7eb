// xdsload is a neutral load client for any Istio-compatible ADS server that watches the same Kubernetes API.
//
// It opens -n ADS streams as sidecars (raw frames, nothing is decoded on the hot path), waits until each has CDS, EDS, LDS and RDS, then
// changes objects in the API server and times how long it takes until every stream has received the change. The report is JSON.
//
//	xdsload -create -services 500 -endpoints 5 -kubeconfig K
//	xdsload -addr 127.0.0.1:15010 -n 200 -classes 20 -services 500 -changes 5 -pid SERVER -kubeconfig K
//	xdsload -addr 127.0.0.1:15010 -n 200 -classes 20 -services 500 -churn 50 -pid SERVER -kubeconfig K
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	address := flag.String("addr", "127.0.0.1:15010", "plaintext ADS address")
	count := flag.Int("n", 100, "streams")
	classes := flag.Int("classes", 1, "distinct workloads (app labels) among the streams")
	clientNamespaces := flag.Int("client-namespaces", 0, "the workloads are in so many namespaces of their own, NAMESPACE-0 and up")
	delta := flag.Bool("delta", true, "incremental xDS instead of state of the world")
	namespace := flag.String("namespace", "load", "namespace of the Services, and of the streams' workloads without -client-namespaces")
	kubeconfig := flag.String("kubeconfig", "", "API server that the ADS server watches")
	services := flag.Int("services", 0, "number of Services, svc-0 and up, to make or to change")
	endpoints := flag.Int("endpoints", 10, "endpoints of each Service that -create makes")
	create := flag.Bool("create", false, "only make the Services, then exit")
	changes := flag.Int("changes", 10, "changes of each kind")
	pause := flag.Duration("gap", 300*time.Millisecond, "pause between changes")
	churn := flag.Int("churn", 0, "other endpoint changes a second while endpoint changes are timed; nothing else is measured then")
	churnTime := flag.Duration("churn-time", 30*time.Second, "how long to churn")
	pid := flag.Int("pid", 0, "the server's process, for its CPU time and memory")
	syncTimeout := flag.Duration("sync-timeout", 300*time.Second, "longest wait for all streams to be synced")
	flag.Parse()

	mesh, err := connectMesh(*kubeconfig, *namespace)
	check(err)
	if *create {
		check(mesh.create(*services, *endpoints))
		return
	}

	server := process(*pid)
	fleet := newFleet(*address, *namespace, *clientNamespaces, *count, *classes, *delta)
	report := map[string]any{"streams": *count, "delta": *delta, "classes": *classes}
	before := server.usage()
	start := time.Now()
	fleet.open()
	check(fleet.awaitSync(*syncTimeout))
	report["sync_ms"] = milliseconds(time.Since(start))
	after := server.usage()
	report["sync_cpu_ms"], report["rss_after_sync_mb"] = after.cpu-before.cpu, after.memory
	received := fleet.received()
	report["sync_bytes_per_stream"] = received.bytes / int64(*count)
	if report["reconnects"] = received.reconnects; received.reconnects > 0 {
		report["last_error"] = lastError.Load()
	}
	time.Sleep(2 * time.Second) // what the server still does for the sync is not the first change's

	if *services > 0 {
		check(fleet.subscribedTo(serviceName(*services - 1)))
		if *churn > 0 {
			report["churn"] = fleet.underChurn(mesh, *services, *churn, *churnTime, *pause, server)
		} else {
			for _, c := range mesh.changes(*services) {
				report[c.kind] = fleet.measure(c, *changes, *pause, server)
			}
		}
	}
	written, err := json.MarshalIndent(report, "", " ")
	check(err)
	fmt.Println(string(written))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "xdsload:", err)
		os.Exit(1)
	}
}
