package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// writers bounds the changes that are being written at once.
const writers = 32

// churn changes an endpoint of one of the upper half of the Services so many times a second until stop is closed. It counts what was written.
func (m *mesh) churn(services, perSecond int, stop <-chan struct{}, written *atomic.Int64) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	slots := make(chan struct{}, writers)
	upper := services / 2
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			address := fmt.Sprintf("10.254.%d.%d", i/250%250, 1+i%250)
			patch := fmt.Sprintf(`{"endpoints":[{"addresses":[%q],"conditions":{"ready":true}}]}`, address)
			name := serviceName(upper + i%(services-upper))
			if _, err := m.endpointSlices.Patch(context.Background(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err == nil {
				written.Add(1)
			}
		}()
	}
}

// underChurn times endpoint changes of the lower half of the Services for a while, during which those of the upper half change perSecond times a
// second. What it reports of the server's CPU is all that it used meanwhile.
func (f *fleet) underChurn(m *mesh, services, perSecond int, duration, pause time.Duration, server process) map[string]any {
	stop := make(chan struct{})
	var written atomic.Int64
	go m.churn(services, perSecond, stop, &written)
	time.Sleep(2 * time.Second) // the first changes have code compiled
	endpoint := m.changes(services / 2)[0]
	start, before, count := time.Now(), server.usage(), written.Load()
	var timed []timing
	for i := 0; time.Since(start) < duration; i++ {
		timed = append(timed, f.time(endpoint, i))
		time.Sleep(pause)
	}
	elapsed, after := time.Since(start).Seconds(), server.usage()
	changes := float64(written.Load()-count)/elapsed + float64(len(timed))/elapsed
	close(stop)
	report := summary(timed)
	report["changes_per_second"] = float64(int(changes*10)) / 10
	report["server_cpu_percent"] = float64(int(float64(after.cpu-before.cpu)/elapsed)) / 10
	report["rss_mb"] = after.memory
	return report
}
